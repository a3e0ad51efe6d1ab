#!/usr/bin/env bash
# Parses a folder with a Slurm job array:
#
#   sbatch --array=1-16 slurm-array.sh PHOTOS OUT
#
# Each task takes its share of the photos by a hash of their paths: nobody has to hand out lists, and
# a task that is requeued, or the whole array started again, goes on where it was.
#SBATCH --job-name=m2fp
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=m2fp-%A-%a.log
set -euo pipefail
photos=${1:?usage: sbatch --array=1-N slurm-array.sh PHOTOS OUT}
out=${2:?usage: sbatch --array=1-N slurm-array.sh PHOTOS OUT}

# exec, so that Slurm's SIGTERM reaches m2fp: the files in hand are finished.
exec m2fp parse "$photos" --out "$out" --shard slurm --quiet
