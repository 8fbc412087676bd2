#!/usr/bin/env bash
# Reads traces that PyTorch's profiler writes here: infer profile --from-trace must find operators with the times and the
# calls that PyTorch's own table has. What is not here is skipped by name.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "profile-traces-check: error: $*" >&2
  exit 1
}

python=
for p in python3 /usr/bin/python3; do
  if command -v $p >/dev/null && $p -c 'import torch.profiler' 2>/dev/null; then
    python=$p
    break
  fi
done
if [ -z "$python" ]; then
  echo "skipped: traces of PyTorch: no Python with torch"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/infer" .

# By operator: self time, time and calls, as torch adds them up. Steps themselves are no operators.
"$python" - "$work" <<'PY'
import json, sys, torch
from torch.profiler import profile, schedule, ProfilerActivity
torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(16 * 62 * 62, 64))
x = torch.randn(2, 3, 64, 64)
for name, more in (("plain", {}), ("stacks", {"with_stack": True, "record_shapes": True})):
    with profile(activities=[ProfilerActivity.CPU], schedule=schedule(wait=1, warmup=1, active=6), **more) as p:
        for _ in range(8):
            with torch.no_grad():
                net(x)
            p.step()
    p.export_chrome_trace(f"{sys.argv[1]}/{name}.json")
    rows = {e.key: [e.self_cpu_time_total, e.cpu_time_total, e.count] for e in p.key_averages() if not e.key.startswith("ProfilerStep")}
    json.dump(rows, open(f"{sys.argv[1]}/{name}.torch.json", "w"))
print("torch", torch.__version__)
PY

for name in plain stacks; do
  gzip -k "$work/$name.json"
  for file in "$work/$name.json" "$work/$name.json.gz"; do
    "$work/infer" profile --from-trace "$file" --warm-up 0 --format json >"$work/out.json" 2>"$work/err" || { cat "$work/err" >&2; fail "$name: not read"; }
    "$python" - "$work/out.json" "$work/$name.torch.json" <<'PY' || fail "$name: other times than torch's"
import json, sys
details = json.load(open(sys.argv[1]))["details"]
theirs = json.load(open(sys.argv[2]))
trace = details["trace"]
assert trace["format"] == "pytorch" and trace["runs"] == 6, trace
ours, total, calls = {}, {}, {}
for row in details["by_node"]:
    ours[row["op"]] = ours.get(row["op"], 0) + row["seconds"] * 6e6
    total[row["op"]] = total.get(row["op"], 0) + (row.get("total") or row["seconds"]) * 6e6
    calls[row["op"]] = calls.get(row["op"], 0) + row.get("calls", 1) * 6
for name in ("aten::addmm", "aten::conv2d", "aten::relu", "aten::clamp_min"):
    self_us, all_us, n = theirs[name]
    near = 0.02 * all_us + 2 * n  # the file has whole microseconds
    assert round(calls[name]) == n, (name, calls[name], n)
    assert abs(total[name] - all_us) <= near, (name, total[name], all_us)
    # Where rounding lets a call outlast the one that it is within, torch takes it for a neighbour and its table says too much.
    assert ours[name] <= self_us + near, (name, ours[name], self_us)
assert abs(ours["aten::clamp_min"] - theirs["aten::clamp_min"][0]) <= 2 * theirs["aten::clamp_min"][2], "what calls nothing"
PY
  done
done
head -c $(($(wc -c <"$work/plain.json") / 2)) "$work/plain.json" >"$work/cut.json"
"$work/infer" profile --from-trace "$work/cut.json" >/dev/null 2>"$work/err" || { cat "$work/err" >&2; fail "a trace that was cut is not read"; }
echo "PyTorch's traces: times and calls as torch adds them up, packed, with stacks, and cut"
