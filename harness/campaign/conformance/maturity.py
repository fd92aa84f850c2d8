"""The rows of the L7 maturity matrix for a run, as results.json has them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.dataplanes.port import DataPlane, Feature, No, Unknown
from harness.judge.maturity import cell, members
from harness.manifests.errors import Fault, quoted, refuse, suggestion
from harness.model.case import Case, CaseResult
from harness.model.maturity import MaturityFeature


def check_needs(features: Sequence[MaturityFeature]) -> None:
    """Raises ManifestError for each feature that needs what no data plane can be asked for."""
    known = [str(feature) for feature in Feature]
    refuse(
        [
            Fault(each.origin, f"needs: no feature is called {quoted(each.needs)}{suggestion(each.needs, known)}")
            for each in features
            if each.needs is not None and each.needs not in known
        ]
    )


def maturity_rows(
    features: Sequence[MaturityFeature], cases: Sequence[Case], planes: Sequence[DataPlane], results: Sequence[CaseResult]
) -> list[dict[str, Any]]:
    """A row a feature with a cell a data plane; no rows where no case of the run shows any of them."""
    ids = [case.id for case in cases]
    shown = [members(feature, ids) for feature in features]
    if not any(shown):
        return []
    rows = []
    for feature, mine in zip(features, shown, strict=True):
        cells = {}
        for plane in planes:
            found = [result for result in results if result.dataplane == plane.name and result.case in mine]
            cells[plane.name] = asdict(cell(feature, found, _lacking(feature, plane)))
        rows.append({"feature": feature.name, "note": feature.note, "cases": mine, "cells": cells})
    return rows


def _lacking(feature: MaturityFeature, plane: DataPlane) -> str | None:
    """Why the plane cannot have the feature whatever its cases come to, in its own words."""
    if feature.needs is None:
        return None
    match plane.supports(Feature(feature.needs)):
        case No(reason):
            return f"{feature.needs}: {reason}"
        case Unknown(error):
            return f"{feature.needs}: not known: {error}"
    return None
