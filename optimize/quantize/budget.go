package quantize

import (
	"math"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// Budget is the accuracy that must be kept.
type Budget struct {
	Kind  string  // "top1", "agreement", "sqnr" or "cosine"
	Limit float64 // top1: the largest drop, a ratio; agreement and cosine: the least ratio; sqnr: the least dB
	Also  *Budget // must be kept too; nil: none
}

// leastAgreement are the rows below which agreement alone shows little: even if all of them agree, its 95 % interval
// reaches below 99 %.
const leastAgreement = 380

// The least SQNR in dB that is asked for by default: of outputs without classes, and of class scores where the rows are
// too few to show agreement.
const (
	defaultNoise = 25
	scoresNoise  = 30
)

const budgetHint = "write top1:0.5 (points), agreement:99%, sqnr:30dB or cosine:0.999"

// ParseBudget reads "top1:0.5" (points that the accuracy may drop), "agreement:99%", "sqnr:30dB" or "cosine:0.999".
func ParseBudget(text string) (Budget, error) {
	kind, value, ok := strings.Cut(text, ":")
	if !ok {
		return Budget{}, fault.New(fault.Usage, budgetHint, "accuracy budget %q is not KIND:LIMIT", text)
	}
	scale, unit := 1.0, ""
	switch kind {
	case "top1":
		scale = 0.01
		unit = "pt"
	case "agreement":
		if strings.HasSuffix(value, "%") {
			scale, unit = 0.01, "%"
		}
	case "sqnr":
		unit = "dB"
	case "cosine":
	default:
		return Budget{}, fault.New(fault.Usage, budgetHint, "accuracy budget %q: %q is not known", text, kind)
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(value, unit)), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return Budget{}, fault.New(fault.Usage, budgetHint, "accuracy budget %q: %q is no number", text, value)
	}
	b := Budget{Kind: kind, Limit: f * scale}
	most, span := 1.0, "1"
	switch kind {
	case "top1":
		span = "100 points"
	case "sqnr":
		most, span = maxDecibels, strconv.Itoa(maxDecibels)+" dB"
	}
	if math.Signbit(b.Limit) || b.Limit > most {
		return Budget{}, fault.New(fault.Usage, budgetHint, "accuracy budget %q is not between 0 and %s", text, span)
	}
	return b, nil
}

// Expr writes the budget as a gate on a metric.
func (b Budget) Expr() string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'g', 10, 64) } // digits that are the user's, not rounding's
	switch b.Kind {
	case "top1":
		return "accuracy_drop<=" + number(100*b.Limit) + "%"
	case "agreement":
		return "agreement_top1>=" + number(100*b.Limit) + "%"
	case "sqnr":
		return "sqnr_db>=" + number(b.Limit)
	}
	return "cosine>=" + number(b.Limit)
}
