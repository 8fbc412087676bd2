package trace

type spanFold struct{ torch bool }

func newSpanFold(t *Trace, skip int) *spanFold { return &spanFold{} }
func (s *spanFold) found() bool                { return false }
func (s *spanFold) add(e *event)               {}
func (s *spanFold) finish()                    {}
