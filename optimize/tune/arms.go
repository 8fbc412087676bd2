package tune

import (
	"context"
	"errors"
	"slices"
	"time"
)

// leastOpen is the default, and two to compare.
const leastOpen = 3

// arms are the settings that are open, the one that was used last at the end. Opening is expensive: a model is loaded and
// optimized for it, so they stay open while there is room.
type arms struct {
	open  Open
	most  int
	clock func() time.Duration
	list  []openArm
}

type openArm struct {
	key string
	arm Arm
}

// get returns the arm of a setting, and how long opening it took, with closing another one for it.
func (a *arms) get(ctx context.Context, key string, s Setting) (Arm, time.Duration, error) {
	begin := a.clock()
	if i := slices.IndexFunc(a.list, func(o openArm) bool { return o.key == key }); i >= 0 {
		o := a.list[i]
		a.list = append(slices.Delete(a.list, i, i+1), o)
		return o.arm, 0, nil
	}
	for len(a.list) >= a.most {
		if err := a.close(a.list[0].key); err != nil {
			return nil, 0, err
		}
	}
	arm, err := a.open(ctx, s)
	if err != nil {
		return nil, a.clock() - begin, err
	}
	a.list = append(a.list, openArm{key, arm})
	return arm, a.clock() - begin, nil
}

// close closes the arm of a setting, if it is open.
func (a *arms) close(key string) error {
	i := slices.IndexFunc(a.list, func(o openArm) bool { return o.key == key })
	if i < 0 {
		return nil
	}
	arm := a.list[i].arm
	a.list = slices.Delete(a.list, i, i+1)
	return arm.Close()
}

// closeAll closes what is open.
func (a *arms) closeAll() error {
	var errs []error
	for len(a.list) > 0 {
		errs = append(errs, a.close(a.list[0].key))
	}
	return errors.Join(errs...)
}
