package decide

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"infer/internal/fault"
	"infer/report"
)

const priceHint = "write a price an hour such as 0.40/h, $0.40/h or int8=0.40EUR/h"

var priceShape = regexp.MustCompile(`^(\p{Sc}|[A-Z]{3})?\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(\p{Sc}|[A-Z]{3})?\s*/\s*(?:h|hour)$`)

// ParsePrice parses [NAME=]PRICE/h, what an hour of the machine of a configuration costs; without NAME of all that have
// no price of their own. A currency sign or code, before or after the number, is kept as typed.
func ParsePrice(text string) (report.DecisionPrice, error) {
	name, price, named := "", text, false
	if i := strings.LastIndexByte(text, '='); i >= 0 {
		name, price, named = strings.TrimSpace(text[:i]), text[i+1:], true
	}
	if named && name == "" {
		return report.DecisionPrice{}, fault.New(fault.Usage, priceHint, "price %q has no name before =", text)
	}
	price = strings.TrimSpace(price)
	m := priceShape.FindStringSubmatch(price)
	if m == nil || m[1] != "" && m[3] != "" {
		return report.DecisionPrice{}, fault.New(fault.Usage, priceHint, "%q is no price an hour", text)
	}
	hour, err := strconv.ParseFloat(m[2], 64)
	if err != nil || hour <= 0 {
		return report.DecisionPrice{}, fault.New(fault.Usage, priceHint, "price %q is not above 0", text)
	}
	return report.DecisionPrice{Config: name, Hour: hour, Currency: m[1] + m[3], Basis: price}, nil
}

// ParseUse parses the share of its capacity that a replica is planned to be used at: 70% or 0.7, in (0, 1].
func ParseUse(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v <= 0 || v > 1 {
		return 0, fault.New(fault.Usage, "write a share such as 70%", "utilization %q is not above 0 and at most 100%%", text)
	}
	return v, nil
}

// ParseAccuracyTarget parses a preset of --accuracy-target: the share of the base's accuracy that must be kept.
// Ref: MLPerf Inference rules, quality targets of 99 % and 99.9 % of the FP32 model.
func ParseAccuracyTarget(text string) (float64, error) {
	switch text {
	case "":
		return 0, nil
	case "mlperf99":
		return 0.99, nil
	case "mlperf99.9":
		return 0.999, nil
	}
	return 0, fault.New(fault.Usage, "use mlperf99 or mlperf99.9", "accuracy target %q is not known", text)
}
