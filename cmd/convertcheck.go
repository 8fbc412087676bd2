package cmd

import "context"

// checkArtifact says whether an artifact would load here.
func (f *convertFlags) checkArtifact(context.Context, *app, []string) error { return nil }
