package profile

import (
	"infer/model"
	"infer/model/tensor"
	"infer/report"
)

func Static(m *model.Model, shapes map[string]tensor.Shape, d *report.Document, p *report.ProfileDetails) {
}

func Inspect(m *model.Model, want model.Bindings, d *report.Document) (*report.InspectDetails, error) {
	return nil, nil
}

func Diff(m, o *model.Model, want model.Bindings) (*report.DiffDetails, error) { return nil, nil }
