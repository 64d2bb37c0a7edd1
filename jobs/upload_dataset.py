"""Upload a folder to a blob container, made if there is none; what the blobs have already is left out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lib"))

from sparksweep.errors import SparksweepError
from sparksweep.storage import BlobStore, upload_folder

CREDENTIALS = """Credentials come from the environment: AZURE_STORAGE_CONNECTION_STRING; or
AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN; or AZURE_STORAGE_ACCOUNT and the
identity that DefaultAzureCredential finds."""
URI = "az://CONTAINER/PREFIX or https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX"


def main() -> int:
    """Upload what the command line names, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=CREDENTIALS)
    parser.add_argument("--input", type=Path, required=True, metavar="DIR", help="a folder with all in it")
    parser.add_argument("--output", required=True, metavar="URI", help=URI)
    options = parser.parse_args()
    try:
        done = upload_folder(options.input, BlobStore.open(options.output))
    except SparksweepError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    print(f"{options.output}: {len(done.sent)} files uploaded, {len(done.kept)} there already")
    return 0


if __name__ == "__main__":
    sys.exit(main())
