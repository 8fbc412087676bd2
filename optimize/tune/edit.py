s=open('levels.go').read()
s=s.replace('''// fit finds settings and rounds in turn, each given the others.
''','''// fit finds settings and rounds in turn, each given the others, from the pairs with the default on.
''')
s=s.replace('''	for range sweeps {
		byRound''','''	for _, t := range trials {
		if d := gains(t, base, ""); len(d) > 0 {
			at[t] = stats.Median(d)
		}
	}
	for range sweeps {
		byRound''')
s=s.replace("sweeps       = 12 ","sweeps       = 6 ")
open('levels.go','w').write(s)
