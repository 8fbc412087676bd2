package configs_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// comments stands in for the part of GitHub that keeps the comments of pull request 7. The real gh speaks to it.
type comments struct {
	t      *testing.T
	fork   bool // nothing may be written
	hidden bool // nor read

	mu   sync.Mutex
	list []comment
}

type comment struct {
	ID   int    `json:"id"`
	Body string `json:"body"`
	User struct {
		Type string `json:"type"`
	} `json:"user"`
}

// newComments has comments of others, one of whom quotes the marker.
func newComments(t *testing.T) *comments {
	c := &comments{t: t}
	for i, body := range []string{"looks good", "<!-- infer:report:compare -->\nas the bot wrote", "on line 3"} {
		c.add(body, []string{"User", "User", "Bot"}[i])
	}
	return c
}

func (c *comments) add(body, who string) comment {
	x := comment{ID: 100 + len(c.list), Body: body}
	x.User.Type = who
	c.list = append(c.list, x)
	return x
}

// mine returns the one comment of the workflow.
func (c *comments) mine(t *testing.T) comment {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) != 4 {
		t.Fatalf("%d comments, want those of others and one more", len(c.list))
	}
	if c.list[1].Body != "<!-- infer:report:compare -->\nas the bot wrote" {
		t.Errorf("somebody's comment became %q", c.list[1].Body)
	}
	return c.list[3]
}

// page is how many comments a page of the answer has, whatever is asked for, so that the next one is asked for, too.
const page = 2

func (c *comments) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const all, one = "/repos/o/r/issues/7/comments", "/repos/o/r/issues/comments/"
	var in struct{ Body string }
	w.Header().Set("Content-Type", "application/json")
	refuse := func(code int, why string) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"message":%q}`, why)
	}
	switch id, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, one)); {
	case r.Header.Get("Authorization") != "token token":
		refuse(401, "Bad credentials")
	case c.hidden, c.fork && r.Method != "GET":
		refuse(403, "Resource not accessible by integration")
	case r.Method == "GET" && r.URL.Path == all:
		at, _ := strconv.Atoi(r.URL.Query().Get("page"))
		from := page * max(0, at-1)
		to := min(len(c.list), from+page)
		if to < len(c.list) {
			w.Header().Set("Link", fmt.Sprintf(`<http://api.github.localhost%s?page=%d>; rel="next"`, all, max(1, at)+1))
		}
		_ = json.NewEncoder(w).Encode(c.list[from:to])
	case json.NewDecoder(r.Body).Decode(&in) != nil || in.Body == "" || len(in.Body) > 65536:
		refuse(422, "Validation Failed")
	case r.Method == "POST" && r.URL.Path == all:
		w.WriteHeader(201)
		_ = json.NewEncoder(w).Encode(c.add(in.Body, "Bot"))
	case r.Method == "PATCH" && id >= 100 && id < 100+len(c.list):
		c.list[id-100].Body = in.Body
		_ = json.NewEncoder(w).Encode(c.list[id-100])
	default:
		refuse(404, "Not Found")
	}
}
