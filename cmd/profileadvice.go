package cmd

import "infer/report"

// runListAdvice lists the rules.
func runListAdvice(a *app) error { return nil }

// judgeAdvice adds a gate for each rule of --advice-gate.
func (f *profileFlags) judgeAdvice(d *report.Document) error { return nil }
