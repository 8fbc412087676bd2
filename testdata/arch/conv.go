package arch

import (
	"fmt"
	"math"

	"infer/model/onnx"
	"infer/model/tensor"
)

// conv adds a convolution with its bias (a batch normalization folded in), padded to keep the size at stride 1.
// gain scales the weights against He initialization.
func (b *builder) conv(x, name string, in, out, kernel, stride, group int64, gain float64) string {
	fan := float64(in / group * kernel * kernel)
	w := b.weight(name+".weight", gain*math.Sqrt(2/fan), out, in/group, kernel, kernel)
	bias := b.weight(name+".bias", 0.02, out)
	p := kernel / 2
	return b.node("Conv", []string{x, w, bias}, intsAttr("dilations", 1, 1), intAttr("group", group),
		intsAttr("kernel_shape", kernel, kernel), intsAttr("pads", p, p, p, p), intsAttr("strides", stride, stride))
}

// classifier adds pooling over the plane and a linear layer to 1000 classes, output "logits".
func (b *builder) classifier(x string, channels int64) {
	x = b.node("GlobalAveragePool", []string{x})
	x = b.node("Flatten", []string{x}, intAttr("axis", 1))
	w := b.weight("fc.weight", math.Sqrt(1/float64(channels)), 1000, channels)
	bias := b.weight("fc.bias", 0.02, 1000)
	b.named("logits", "Gemm", []string{x, w, bias}, floatAttr("alpha", 1), floatAttr("beta", 1), intAttr("transB", 1))
	b.output("logits", tensor.Float32, b.batch, onnx.Fixed(1000))
}

// image adds the input "input" of shape batch x 3 x 224 x 224.
func (b *builder) image() string {
	return b.input("input", tensor.Float32, b.batch, onnx.Fixed(3), onnx.Fixed(224), onnx.Fixed(224))
}

// ResNet50 returns ResNet-50 v1.5 (the stride in the 3x3 convolution) for 224² images, batch normalization folded:
// input "input" batch x 3 x 224 x 224, output "logits" batch x 1000, 25 530 472 parameters, 4 089 184 256
// multiply-accumulates an image.
// Ref: He et al., Deep Residual Learning for Image Recognition, 2015, table 1.
func ResNet50(opts ...Option) *onnx.Model {
	b := newBuilder("resnet50", opts)
	x := b.node("Relu", []string{b.conv(b.image(), "stem", 3, 64, 7, 2, 1, 1)})
	x = b.node("MaxPool", []string{x}, intsAttr("kernel_shape", 3, 3), intsAttr("pads", 1, 1, 1, 1), intsAttr("strides", 2, 2))
	in := int64(64)
	for stage, blocks := range []int{3, 4, 6, 3} {
		mid := int64(64) << stage
		for i := range blocks {
			stride := int64(1)
			if i == 0 && stage > 0 {
				stride = 2
			}
			x = b.bottleneck(x, fmt.Sprintf("layer%d.%d", stage+1, i), in, mid, stride, i == 0)
			in = 4 * mid
		}
	}
	b.classifier(x, in)
	return b.model()
}

func (b *builder) bottleneck(x, name string, in, mid, stride int64, project bool) string {
	y := b.node("Relu", []string{b.conv(x, name+".conv1", in, mid, 1, 1, 1, 1)})
	y = b.node("Relu", []string{b.conv(y, name+".conv2", mid, mid, 3, stride, 1, 1)})
	y = b.conv(y, name+".conv3", mid, 4*mid, 1, 1, 1, 0.3)
	if project {
		x = b.conv(x, name+".downsample", in, 4*mid, 1, stride, 1, 1)
	}
	return b.node("Relu", []string{b.node("Add", []string{y, x})})
}

// MobileNetV2 returns MobileNetV2 of width 1.0 for 224² images, batch normalization folded: input "input"
// batch x 3 x 224 x 224, output "logits" batch x 1000, 3 487 816 parameters and the two bounds of ReLU6,
// 300 774 272 multiply-accumulates an image.
// Ref: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018, table 2.
func MobileNetV2(opts ...Option) *onnx.Model {
	b := newBuilder("mobilenetv2", opts)
	lo, hi := b.float("relu6.min", 0), b.float("relu6.max", 6)
	relu6 := func(x string) string { return b.node("Clip", []string{x, lo, hi}) }
	x := relu6(b.conv(b.image(), "stem", 3, 32, 3, 2, 1, 1))
	in := int64(32)
	for _, s := range []struct{ expand, out, blocks, stride int64 }{
		{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
	} {
		for i := range s.blocks {
			stride, y, mid := s.stride, x, in*s.expand
			if i > 0 {
				stride = 1
			}
			name := fmt.Sprintf("block%d.%d", s.out, i)
			if s.expand > 1 {
				y = relu6(b.conv(y, name+".expand", in, mid, 1, 1, 1, 1))
			}
			y = relu6(b.conv(y, name+".depthwise", mid, mid, 3, stride, mid, 1))
			y = b.conv(y, name+".project", mid, s.out, 1, 1, 1, 0.7)
			if stride == 1 && in == s.out {
				y = b.node("Add", []string{x, y})
			}
			x, in = y, s.out
		}
	}
	x = relu6(b.conv(x, "head", in, 1280, 1, 1, 1, 1))
	b.classifier(x, 1280)
	return b.model()
}
