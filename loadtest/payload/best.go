package payload

import (
	"fmt"
	"slices"

	"infer/model/tensor"
)

// compareBest compares the k best of each row of n scores.
func (t Tolerance) compareBest(got, want *tensor.Tensor, n int) string {
	k := min(t.TopK, n-1)
	order := make([]int, n)
	for row := range countOf(want) / n {
		lo := row * n
		expected := func(i int) float64 { return floatAt(want, lo+i) }
		best(order, expected)
		limit := expected(order[k-1])
		best(order, func(i int) float64 { return floatAt(got, lo+i) })
		for _, i := range order[:k] {
			if e := expected(i); !(e >= limit) && !t.close(e, limit) {
				return fmt.Sprintf("%s: is among the %d best of its row; its expected score is %s, and theirs at least %s",
					indexText(want.Shape, lo+i), k, number(e, limit), number(limit, e))
			}
		}
	}
	return ""
}

// best orders indices by falling score, NaN last.
func best(order []int, score func(i int) float64) {
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch a, b := score(i), score(j); {
		case a > b || a == a && b != b:
			return -1
		case a < b || a != a && b == b:
			return 1
		}
		return 0
	})
}
