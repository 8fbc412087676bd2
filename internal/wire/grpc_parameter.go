package wire

import (
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/fault"
)

// parameter is an entry of a map of InferParameter. field is that of its oneof: 1 bool, 2 int64, 3 string, 4 double,
// 5 uint64; 0 where it has no value.
type parameter struct {
	name  []byte
	field uint64
	num   uint64
	text  []byte
}

// readParameter reads an entry.
func readParameter(data []byte) (parameter, error) {
	var p parameter
	m := fields{rest: data}
	for m.next() {
		switch m.tag {
		case 1<<3 | uint64(bytesType):
			p.name = m.bytes
		case 2<<3 | uint64(bytesType):
			v := fields{rest: m.bytes}
			for v.next() {
				switch v.tag {
				case 1<<3 | uint64(varintType), 2<<3 | uint64(varintType), 3<<3 | uint64(bytesType),
					4<<3 | uint64(fixed64Type), 5<<3 | uint64(varintType):
					p.field, p.num, p.text = v.number(), v.num, v.bytes
				}
			}
			if v.err != nil {
				return p, malformed("parameter", v.err)
			}
		}
	}
	return p, malformed("parameter", m.err)
}

// whole returns the value of a parameter that counts something, from 0 to limit.
func (p parameter) whole(limit uint64) (uint64, error) {
	switch {
	case p.field != 2 && p.field != 5:
		return 0, fault.New(fault.Usage, "", "invalid value type for '%s' parameter, expected int64_param or uint64_param", clip(p.name))
	case p.field == 2 && int64(p.num) < 0:
		return 0, fault.New(fault.Usage, "", "invalid value for '%s', expected value >= 0", p.name)
	case p.num > limit:
		return 0, fault.New(fault.Usage, "", "invalid value for '%s', expected value <= %d", p.name, limit)
	}
	return p.num, nil
}

// param returns the parameter as the rest of the program sees it.
func (p parameter) param(a *arena) (Param, error) {
	name, err := a.text(p.name, "parameters")
	if err != nil {
		return Param{}, err
	}
	o := Param{Name: name}
	switch p.field {
	case 1:
		o.Value = p.num != 0
	case 2:
		o.Value = int64(p.num)
	case 3:
		o.Value, err = ownText(p.text, "parameters")
	case 4:
		o.Value = math.Float64frombits(p.num)
	case 5:
		o.Value = p.num
	default:
		err = fault.New(fault.Usage, "", "parameter '%s' has no value", name)
	}
	return o, err
}

// parameter reads an entry of the parameters of a request.
func (r *Request) parameter(data []byte, l Limits) error {
	p, err := readParameter(data)
	if err != nil {
		return err
	}
	var v uint64
	switch name := view(p.name); {
	case name == "priority":
		v, err = p.whole(math.MaxInt32)
		r.Priority = int(v)
	case name == "timeout": // microseconds
		v, err = p.whole(math.MaxInt64 / uint64(time.Microsecond))
		r.Timeout = time.Duration(v) * time.Microsecond
	case name == "sequence_id", name == "sequence_start", name == "sequence_end":
		if p.num != 0 || len(p.text) > 0 {
			err = fault.New(fault.Unsupported, "", "sequences are not supported")
		}
	case strings.HasPrefix(name, "triton_") && name != FinalResponse:
		err = fault.New(fault.Usage, "", "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with 'triton_' are allowed: %s", FinalResponse)
	default:
		r.Params, err = appendParam(r.Params, p, &r.arena, l)
	}
	return err
}

// FinalResponse is the parameter by which a client of a stream asks to be told which answer to a request is the last.
const FinalResponse = "triton_enable_empty_final_response"

// Timing is the boolean parameter of a gRPC request by which a client asks infer serve to be told where the time of its
// call went, in the parameters of the answer: queue_us, compute_us, batch_size, model_digest.
const Timing = "timing"

// parameter reads an entry of the parameters of an answer.
func (r *Response) parameter(data []byte, l Limits) error {
	p, err := readParameter(data)
	if err == nil {
		r.Params, err = appendParam(r.Params, p, &r.arena, l)
	}
	return err
}

func appendParam(list []Param, p parameter, a *arena, l Limits) ([]Param, error) {
	if len(list) >= l.Inputs {
		return list, fault.New(fault.TooLarge, "", "there are more parameters than the limit of %d", l.Inputs)
	}
	o, err := p.param(a)
	if err != nil {
		return list, err
	}
	for i := range list {
		if list[i].Name == o.Name {
			return list, fault.New(fault.Usage, "", "parameter '%s' is given twice", o.Name)
		}
	}
	return append(list, o), nil
}

// parameter reads an entry of the parameters of an output that is asked for. Those that say nothing to this server are
// passed over.
func (o *Output) parameter(data []byte) error {
	p, err := readParameter(data)
	if err != nil {
		return err
	}
	if view(p.name) == "classification" {
		v, err := p.whole(math.MaxInt32)
		o.Classes = int(v)
		return err
	}
	return p.refuseSharedMemory()
}

// tensorParameter reads an entry of the parameters of a tensor, of which none means anything here.
func tensorParameter(data []byte, where place) error {
	p, err := readParameter(data)
	if err == nil {
		err = p.refuseSharedMemory()
	}
	if err != nil {
		return fault.Wrap(err, "%s", where)
	}
	return nil
}

// refuseSharedMemory fails for a tensor that lies in shared memory: passed over, its data would seem to be missing.
func (p parameter) refuseSharedMemory() error {
	if strings.HasPrefix(view(p.name), "shared_memory_") {
		return errSharedMemory()
	}
	return nil
}

// paramSize returns the bytes of the InferParameter of a value, its tag and length not counted; 0 for a type that has none.
func paramSize(value any) int {
	switch v := value.(type) {
	case bool:
		return 2
	case int64:
		return 1 + protowire.SizeVarint(uint64(v))
	case string:
		return 1 + protowire.SizeBytes(len(v))
	case float64:
		return 9
	case uint64:
		return 1 + protowire.SizeVarint(v)
	}
	return 0
}

// appendParameters appends a map of InferParameter as a field of a number. A value of another type than Param has is an
// error of the program.
func appendParameters(dst []byte, number protowire.Number, params []Param) ([]byte, error) {
	for _, p := range params {
		size := paramSize(p.Value)
		if size == 0 {
			return dst, fault.New(fault.Internal, "", "parameter '%s' has a value of type %T", p.Name, p.Value)
		}
		entry := 1 + protowire.SizeBytes(len(p.Name)) + 1 + protowire.SizeBytes(size)
		dst = protowire.AppendVarint(protowire.AppendTag(dst, number, bytesType), uint64(entry))
		dst = protowire.AppendString(protowire.AppendTag(dst, 1, bytesType), p.Name)
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, bytesType), uint64(size))
		switch v := p.Value.(type) {
		case bool:
			dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, varintType), protowire.EncodeBool(v))
		case int64:
			dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, varintType), uint64(v))
		case string:
			dst = protowire.AppendString(protowire.AppendTag(dst, 3, bytesType), v)
		case float64:
			dst = protowire.AppendFixed64(protowire.AppendTag(dst, 4, fixed64Type), math.Float64bits(v))
		case uint64:
			dst = protowire.AppendVarint(protowire.AppendTag(dst, 5, varintType), v)
		}
	}
	return dst, nil
}
