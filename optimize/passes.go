package optimize

// Passes returns the passes that change no result beyond rounding, in the order in which they run. The model stays
// portable: operators of ONNX alone are written. Beside them there are FuseGelu, FuseQKV and GemmToMatMul, which suit
// some runtimes or quantizers only.
func Passes() []Pass {
	return []Pass{
		nameNodes(),
		dropInitializerInputs(),
		upgradeOpset(),
		eliminateIdentity(),
		inlineBranches(),
		foldConstants(),
		foldTargets(),
		moveShapes(),
		eliminateCommon(),
		replaceEinsum(),
		mergeCasts(),
		mergeConcats(),
		mergeSlices(),
		splitSlices(),
		mergeTransposes(),
		mergeViews(),
		mergeReductions(),
		foldScale(),
		foldBatchNorm(),
		foldGemm(),
		fuseReluClip(),
		fuseLayerNorm(),
		eliminateNeutral(),
		shareInitializers(),
		eliminateDead(),
	}
}

// Prepare returns what a quantizer needs before it calibrates, in order: Passes, and names again for what they made.
func Prepare() []Pass { return append(Passes(), nameNodes()) }
