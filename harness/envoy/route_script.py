"""The script by which a node's Envoy does what routes of Services say of a request, before the request is judged.

One script for all routes: what is to be done is the context that Envoy finds at the route, or the backend, that it has chosen.
Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/lua_filter
"""

from typing import Any

from harness.envoy.request_http import FILTERS
from harness.envoy.route_filters import Context

NAME = "route-filters"
_SCRIPT_NAME = "filters"
_SCRIPT = """
local function path_of(change, path)
  if change.full then return change.full end
  local new = change.by .. string.sub(path, change.cut + 1)
  if new == "" then return "/" end
  return new
end

local function change(headers, changes)
  for _, header in ipairs(changes.set) do headers:replace(header[1], header[2]) end
  for _, header in ipairs(changes.add) do
    if header[1] ~= ":authority" then headers:add(header[1], header[2]) end
  end
  for _, name in ipairs(changes.remove) do
    if name ~= ":authority" then headers:remove(name) end
  end
end

local function hostname(authority)
  return string.lower(string.match(authority, "^%[[^%]]*%]") or string.match(authority, "^[^:]*"))
end

function envoy_on_request(request)
  local context = request:filterContext()
  local status = context:get("status")
  if status then
    request:respond({[":status"] = status}, "")
    return
  end
  local headers = request:headers()
  local path, query = string.match(headers:get(":path"), "^([^?]*)(.*)$")
  local redirect = context:get("redirect")
  if redirect then
    local host = redirect.host or hostname(headers:get(":authority") or "")
    local target = redirect.path and path_of(redirect.path, path) or path
    local location = redirect.scheme .. "://" .. host .. redirect.at .. target .. query
    request:respond({[":status"] = redirect.status, ["location"] = location}, "")
    return
  end
  for _, step in ipairs(context:get("steps")) do
    if step.headers then change(headers, step.headers) end
    if step.host then headers:replace(":authority", step.host) end
    if step.path then headers:replace(":path", path_of(step.path, path) .. query) end
  end
end
"""


def script_filter() -> dict[str, Any]:
    """The filter. What it changes makes Envoy choose no other route."""
    return {
        "name": NAME,
        "typed_config": {
            "@type": f"{FILTERS}.http.lua.v3.Lua",
            "source_codes": {_SCRIPT_NAME: {"inline_string": _SCRIPT}},
            "clear_route_cache": False,
        },
    }


def script_for(context: Context) -> dict[str, Any]:
    """An entry of ``typed_per_filter_config``: what the script does at a route, or a backend of one."""
    return {NAME: {"@type": f"{FILTERS}.http.lua.v3.LuaPerRoute", "name": _SCRIPT_NAME, "filter_context": context}}


def answering(status: int) -> dict[str, Any]:
    """The same, of one whose requests are answered with ``status``; Envoy makes of it what a client of gRPC understands."""
    return script_for({"status": str(status)})
