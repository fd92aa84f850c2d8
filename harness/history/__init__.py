"""Questions over hundreds of finished runs, asked of their files by DuckDB; no run is read whole."""
