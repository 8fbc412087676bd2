package repository

import (
	"slices"

	"infer/internal/fault"
	"infer/internal/wire"
)

// compare is the self-check before a switch: what the version before could do on made-up inputs, the new one must.
func (l *loader) compare(before *Handle) error {
	t := &l.trial
	l.h.ran, l.h.finite = t.err == nil, t.finite
	i := &l.h.info
	if before == nil {
		for _, p := range i.Outputs {
			if l.h.ran && !t.finite[p.Name] {
				l.r.log.Warn("an output has NaN or infinities on made-up inputs", "model", i.Name, "version", i.Version, "output", p.Name)
			}
		}
		return nil
	}
	if before.ran && !l.h.ran {
		return fault.New(fault.Usage, "version "+before.info.Version+" goes on serving", "the self-check failed: %w", t.err)
	}
	for _, p := range i.Outputs {
		if before.finite[p.Name] && !t.finite[p.Name] {
			return fault.New(fault.Usage, "version "+before.info.Version+" goes on serving",
				"the self-check failed: output %q has NaN or infinities on made-up inputs, where version %s has none", p.Name, before.info.Version)
		}
	}
	if !samePorts(i.Inputs, before.info.Inputs) || !samePorts(i.Outputs, before.info.Outputs) {
		l.r.log.Warn("the signature differs from that of the version before", "model", i.Name, "version", i.Version, "before", before.info.Version)
	}
	return nil
}

func samePorts(a, b []wire.Port) bool {
	return slices.EqualFunc(a, b, func(a, b wire.Port) bool {
		return a.Name == b.Name && a.DType == b.DType && slices.Equal(a.Shape, b.Shape)
	})
}
