"""The manifest: one header line, one line per outcome, only ever appended to."""

from gmat_sweep.manifest.entry import ManifestEntry
from gmat_sweep.manifest.manifest import MANIFEST_SCHEMA_VERSION, Manifest, canonical_script_sha256

__all__ = ["MANIFEST_SCHEMA_VERSION", "Manifest", "ManifestEntry", "canonical_script_sha256"]
