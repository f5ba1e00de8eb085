#!/usr/bin/env bash
# What the processes of tests/cluster.sh give on /metrics, as Prometheus' own tool judges it.
set -euo pipefail

IFS=, read -r -a admins <<<"${BELLWIRE_TEST_ADMINS:?run it by tests/cluster.sh}"
for admin in "${admins[@]}"; do
  metrics=$(curl -sSf "$admin/metrics")
  # It says nothing of an empty page.
  grep -q '^bellwire_build_info{' <<<"$metrics" || { echo "$admin/metrics: no metric of ours is there" >&2 && exit 1; }
  promtool check metrics <<<"$metrics"
done
echo "${#admins[@]} processes: promtool has nothing to say"
