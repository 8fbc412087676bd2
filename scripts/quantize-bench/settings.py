"""The settings of the official quantizer that are tried, by name."""

LINEAR = ["MatMul", "Gemm"]
HEAVY = ["Conv", *LINEAR]


def static(method="MinMax", per_channel=True, reduce_range=False, activation="QUInt8", weight="QInt8", **more):
    return {"mode": "static", "calibrate_method": method, "per_channel": per_channel, "reduce_range": reduce_range,
            "activation_type": activation, "weight_type": weight} | more


def dynamic(per_channel=True, reduce_range=False, weight="QInt8", **more):
    return {"mode": "dynamic", "per_channel": per_channel, "reduce_range": reduce_range, "weight_type": weight} | more


# What a user who knows the tool tries: its defaults, what its guide recommends with and without VNNI, each calibration,
# and the usual ways out where everything at once goes wrong (only the heavy operators; the other format).
STATIC = {
    "MinMax": static(),
    "MinMax, reduce_range": static(reduce_range=True),
    "MinMax, per-tensor": static(per_channel=False),
    "MinMax, per-tensor, reduce_range": static(per_channel=False, reduce_range=True),
    "MinMax, QInt8 activations (the default)": static(per_channel=False, activation="QInt8"),
    "MinMax, QUInt8 weights": static(weight="QUInt8"),
    "MinMax, Conv MatMul Gemm only": static(op_types_to_quantize=HEAVY),
    "MinMax, Conv MatMul Gemm only, reduce_range": static(op_types_to_quantize=HEAVY, reduce_range=True),
    "MinMax, QOperator, reduce_range": static(quant_format="QOperator", reduce_range=True),
    "Percentile": static("Percentile"),
    "Percentile, reduce_range": static("Percentile", reduce_range=True),
    "Percentile, Conv MatMul Gemm only, reduce_range": static("Percentile", op_types_to_quantize=HEAVY, reduce_range=True),
    "Entropy": static("Entropy"),
    "Entropy, reduce_range": static("Entropy", reduce_range=True),
}
DYNAMIC = {
    "per-tensor (the default)": dynamic(per_channel=False),
    "per-channel": dynamic(),
    "per-channel, reduce_range": dynamic(reduce_range=True),
    "QUInt8 weights": dynamic(weight="QUInt8"),
    "MatMul Gemm only": dynamic(op_types_to_quantize=LINEAR),
    "MatMul Gemm only, reduce_range": dynamic(op_types_to_quantize=LINEAR, reduce_range=True),
}
QUICK = {
    "MinMax", "MinMax, reduce_range", "MinMax, per-tensor, reduce_range", "MinMax, Conv MatMul Gemm only, reduce_range", "Percentile, reduce_range",
    "per-channel", "per-channel, reduce_range", "MatMul Gemm only",
}


def all_of(quick):
    """Every setting by its full name, static ones first."""
    named = {f"static: {k}": v for k, v in STATIC.items() if not quick or k in QUICK}
    return named | {f"dynamic: {k}": v for k, v in DYNAMIC.items() if not quick or k in QUICK}
