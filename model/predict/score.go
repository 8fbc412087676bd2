package predict

import (
	"maps"
	"slices"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/model/tensor"
)

// Accuracy is how often the predicted class is the label.
type Accuracy struct {
	Output  string // the output that was judged
	Rows    int64
	Correct int64
	Unknown int64          // labels that are no class of an output with scores by class
	Top1    stats.Estimate // Correct/Rows with its Wilson interval
	Classes []Class        // by class id, those that occur
}

// Class is one class among the labels or the predictions.
type Class struct{ ID, Rows, Correct, Predicted int64 }

// Score compares what Predicted says with labels, one a row.
func Score(files []File, labels []int64) (*Accuracy, error) {
	output, width, predicted, err := predicted(files)
	if err != nil {
		return nil, err
	}
	if len(predicted) != len(labels) {
		return nil, fault.New(fault.Usage, "the labels must be those of the input's rows",
			"%d labels for %d rows", len(labels), len(predicted))
	}
	a := tally(output, predicted, labels)
	for _, l := range labels {
		if width > 0 && (l < 0 || l >= width) {
			a.Unknown++
		}
	}
	return a, nil
}

// Predicted returns the class of every row by the first output that holds classes: an integer one of one element a row
// is the class itself, a float one of several gives its arg-max.
func Predicted(files []File) ([]int64, error) {
	_, _, ids, err := predicted(files)
	return ids, err
}

// predicted is Predicted with the output that was read, and how many classes it has scores for; 0: it is the class.
func predicted(files []File) (output string, width int64, ids []int64, err error) {
	for _, f := range files {
		if width, err = f.Shape[1:].Elements(); err != nil {
			return "", 0, nil, err
		}
		direct := f.DType.IsInt() && width == 1
		if !direct && !(f.DType.IsFloat() && width > 1) {
			continue
		}
		if direct {
			width = 0
		}
		ids, err = classes(f, direct)
		return f.Output, width, ids, err
	}
	return "", 0, nil, fault.New(fault.Usage, "leave --labels out, or take labels.npy out of the data", "no output holds a class or scores by class")
}

// scoreChunk rows are read at a time, so that memory stays bounded.
const scoreChunk = 4096

func classes(f File, direct bool) ([]int64, error) {
	a, err := tensor.OpenNpy(f.Path)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	var all []int64
	for lo := int64(0); lo < a.Rows(); lo += scoreChunk {
		t, err := a.Read(lo, min(lo+scoreChunk, a.Rows()))
		if err != nil {
			return nil, err
		}
		read := tensor.ArgMax
		if direct {
			read = tensor.Int64s
		}
		c, err := read(t)
		if err != nil {
			return nil, err
		}
		all = append(all, c...)
	}
	return all, nil
}

func tally(output string, predicted, labels []int64) *Accuracy {
	a := &Accuracy{Output: output, Rows: int64(len(labels))}
	byID := map[int64]*Class{}
	class := func(id int64) *Class {
		if byID[id] == nil {
			byID[id] = &Class{ID: id}
		}
		return byID[id]
	}
	for i, l := range labels {
		class(l).Rows++
		class(predicted[i]).Predicted++
		if predicted[i] == l {
			a.Correct++
			class(l).Correct++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		a.Classes = append(a.Classes, *byID[id])
	}
	a.Top1 = stats.Wilson(int(a.Correct), int(a.Rows), 0.95)
	return a
}
