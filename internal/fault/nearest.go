package fault

import "strings"

// Nearest returns the candidate that a person who typed word most likely meant, "" where none is close: at most two
// edits away and less than half the word, or in another case. Edits are insertions, deletions, substitutions and swaps of
// neighbours.
func Nearest(word string, candidates []string) string {
	for _, c := range candidates {
		if strings.EqualFold(c, word) {
			return c
		}
	}
	best, limit := "", min(2, (len(word)-1)/2)
	for _, c := range candidates {
		if d := editDistance(word, c); d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

// editDistance is the optimal string alignment distance of a and b, in bytes.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
