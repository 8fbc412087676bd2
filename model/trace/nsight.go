package trace

import "infer/internal/fault"

func (r *reader) nsight() error { return nil }
func (r *reader) other() error  { return fault.New(fault.Usage, hint, "rubbish") }
