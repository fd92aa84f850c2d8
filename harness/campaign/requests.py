"""The times of every request of a cell, one Parquet file a cell, below a run's ``requests/``."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.campaign.journal import CampaignError
from harness.model.result import CellKey
from harness.traffic.port import Requests


def write_requests(folder: Path, key: CellKey, attempt: int, requests: Requests) -> Path:
    """Write intended, sent and done times (ns since the first intended one; done is null where there was no answer)."""
    start = requests.intended[0] if len(requests.intended) else np.uint64(0)
    failed = requests.done == 0
    table = pa.table(
        {
            "intended": requests.intended - start,
            "sent": pa.array(requests.sent - start, mask=requests.sent == 0),
            "done": pa.array(requests.done - start, mask=failed),
            "lag": requests.lag,
            "status": requests.status,
            "form": requests.form,
        }
    )
    path = folder / "requests" / f"{key.block:02}-{key.scenario}-{key.load}-{key.arm.replace('#', '-')}-{attempt}.parquet"
    path.parent.mkdir(exist_ok=True)
    try:
        pq.write_table(table, path, compression="zstd")
    except OSError as error:
        path.unlink(missing_ok=True)
        raise CampaignError(f"{path}: {error}; make room, then go on with `meshproof bench --resume`") from error
    return path
