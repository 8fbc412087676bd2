package wire

import (
	"encoding/hex"
	"testing"

	"infer/model/tensor"
)

// wantAffine fails unless outputs are those of the model of scripts/loadtest-parts for a row of ones.
func wantAffine(t *testing.T, outputs []tensor.Tensor) {
	t.Helper()
	y, err := tensor.FromFloat32("Y", tensor.Shape{1, 4}, []float32{0.25, 0.375, 0.25, 0.25})
	if err != nil {
		t.Fatal(err)
	}
	c, err := tensor.FromInt64("C", tensor.Shape{1, 1}, []int64{1})
	if err != nil {
		t.Fatal(err)
	}
	sameTensors(t, outputs, []tensor.Tensor{y, c})
}

// TestAnswersOfPeers: answers of KServe 0.21.0, which writes null for what it does not have, and of MLServer 1.7.1,
// which sends empty contents beside raw ones. Both were recorded.
func TestAnswersOfPeers(t *testing.T) {
	var r Response
	kserve := `{"model_name":"affine","model_version":null,"id":"3b4d8609-90f1-4801-adaa-7694e2a0e8e6","parameters":null,"outputs":[{"name":"Y","shape":[1,4],"datatype":"FP32","parameters":null,"data":[0.25,0.375,0.25,0.25]},{"name":"C","shape":[1,1],"datatype":"INT64","parameters":null,"data":[1]}]}`
	if err := r.DecodeOIPResponse([]byte(kserve), -1, DefaultLimits); err != nil {
		t.Fatal(err)
	}
	wantAffine(t, r.Outputs)
	mlserver, err := hex.DecodeString("0a06616666696e652a250a01591204465033321a02010422140a0c636f6e74656e745f7479706512041a026e702a002a260a01431205494e5436341a02010122140a0c636f6e74656e745f7479706512041a026e702a0032100000803e0000c03e0000803e0000803e32080100000000000000")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.DecodeModelInferResponse(mlserver, DefaultLimits); err != nil {
		t.Fatal(err)
	}
	wantAffine(t, r.Outputs)
	for _, bad := range []string{
		`{"outputs":[{"name":"Y","shape":[1],"datatype":"FP32","data":null}]}`,
		`{"outputs":[{"name":null,"shape":[1],"datatype":"FP32","data":[1]}]}`,
		`{"model_name":nullx,"outputs":[]}`,
	} {
		if err := r.DecodeOIPResponse([]byte(bad), -1, DefaultLimits); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
