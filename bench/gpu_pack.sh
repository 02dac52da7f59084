#!/usr/bin/env bash
# Make a folder with all that bench/gpu_check.py needs on a bare machine without internet, under 64 MiB:
#   bench/gpu_pack.sh FOLDER [HIPPOCAMPUS]
# The machine has Linux on x86-64, Python 3.12, PyTorch for CUDA and the usual scientific packages. There:
#   source FOLDER/use && python bench/gpu_check.py --dataset "$GPU_DATASET"
# SimpleITK's wheel is too large; a module that stands in its place raises where it is called, and images are read with
# nibabel, by nnunetv2 too.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$1 dataset=${2:-}
python=${PYTHON:-python3.11}
mkdir -p "$folder/wheels" "$folder/stub"

ready=(msgspec==0.22.0 click==8.5.1 batchgenerators==0.25.5 future==1.0.0 nibabel==5.4.2 blosc2==3.3.2 ndindex==1.10.1
  platformdirs==4.5.0 numexpr==2.14.2 msgpack==1.2.4 connected-components-3d==4.1.1 graphviz==0.21 yacs==0.1.8 timm==1.0.22
  nnunetv2==2.8.1 dynamic_network_architectures==0.4.4 batchgeneratorsv2==0.3.6)
platforms=()
for number in 2_28 2_27 2_17; do platforms+=(--platform "manylinux_${number}_x86_64"); done
platforms+=(--platform manylinux2014_x86_64 --platform manylinux1_x86_64)
"$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
  "${platforms[@]}" -d "$folder/wheels" "${ready[@]}"
"$python" -m pip wheel --quiet --no-deps -w "$folder/wheels" acvl_utils==0.2.6 # has no wheel of its own
rm -f "$folder"/wheels/nnplug*.whl
own=("$root/core" "$root/cli")
for name in nnunet cpu cuda readers brats; do own+=("$root/plugins/$name"); done
"$python" -m pip wheel --quiet --no-deps -w "$folder/wheels" "${own[@]}"

cat > "$folder/stub/SimpleITK.py" <<'STUB'
"""Stands in for SimpleITK, so that what imports it can be imported; whatever calls it fails."""


class ProcessObject:
    @staticmethod
    def GlobalWarningDisplayOff():
        pass


def __getattr__(name):
    def missing(*_, **__):
        raise RuntimeError(f"SimpleITK.{name} is not here")

    return missing
STUB
cat > "$folder/use" <<'USE'
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -d /tmp/site ] || python3 -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --target /tmp/site "$here"/wheels/*.whl
export PYTHONPATH="/tmp/site:$here/stub" PATH="/tmp/site/bin:$PATH" GPU_DATASET="$here/Dataset004_Hippocampus"
USE
if [ -n "$dataset" ]; then
  rm -rf "$folder/Dataset004_Hippocampus" && cp -r "$dataset" "$folder/Dataset004_Hippocampus"
  "$python" - "$folder/Dataset004_Hippocampus/dataset.json" <<'EDIT'
import json
import sys
from pathlib import Path

path = Path(sys.argv[1])
path.write_text(json.dumps({**json.loads(path.read_text()), "overwrite_image_reader_writer": "NibabelIO"}))
EDIT
fi
du -sh "$folder"
