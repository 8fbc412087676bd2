package page_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// chrome is a real Chromium, spoken to over a pair of pipes in the DevTools protocol: one JSON message, one zero byte.
type chrome struct {
	t       *testing.T
	in      *os.File
	out     *bufio.Reader
	id      int
	session string
	errors  []string // exceptions, and what the browser complains about: policy, failed requests
	urls    []string // what the page asked for
}

// startChrome starts Chromium with an empty profile and opens a page. A machine without it skips.
func startChrome(t *testing.T) *chrome {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil && program == "" {
			program = p
		}
	}
	if program == "" {
		t.Skip("no Chromium on this machine")
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--hide-scrollbars", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir())
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := cmd.Start(); err != nil {
		t.Skip("Chromium does not start:", err)
	}
	theirIn.Close()
	theirOut.Close()
	c := &chrome{t: t, in: in, out: bufio.NewReaderSize(out, 1<<20)}
	t.Cleanup(func() {
		c.session = ""
		c.send("Browser.close", nil)
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Log("Chromium:", err)
		}
		out.Close()
	})
	var target struct{ TargetID string }
	c.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	c.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	c.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		c.call(domain+".enable", nil, nil)
	}
	return c
}

func (c *chrome) send(method string, params any) int {
	c.id++
	message := map[string]any{"id": c.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if c.session != "" {
		message["sessionId"] = c.session
	}
	b, err := json.Marshal(message)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(b, 0)); err != nil {
		c.t.Log("Chromium has gone:", err)
	}
	return c.id
}

// call sends a command and waits for its result.
func (c *chrome) call(method string, params, result any) {
	c.t.Helper()
	id := c.send(method, params)
	for {
		m := c.next()
		if m.ID != id {
			continue
		}
		if m.Error != nil {
			c.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				c.t.Fatal(err)
			}
		}
		return
	}
}

type message struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

// next reads a message and keeps what the page complains about.
func (c *chrome) next() message {
	c.t.Helper()
	b, err := c.out.ReadBytes(0)
	if err != nil {
		c.t.Fatal("Chromium has gone: ", err)
	}
	var m message
	if err := json.Unmarshal(bytes.TrimSuffix(b, []byte{0}), &m); err != nil {
		c.t.Fatal(err)
	}
	switch m.Method {
	case "Runtime.exceptionThrown":
		c.errors = append(c.errors, string(m.Params))
	case "Network.requestWillBeSent":
		var p struct{ Request struct{ URL string } }
		if json.Unmarshal(m.Params, &p) == nil {
			c.urls = append(c.urls, p.Request.URL)
		}
	case "Log.entryAdded":
		var p struct {
			Entry struct{ Level, Text, URL string }
		}
		if json.Unmarshal(m.Params, &p) == nil && p.Entry.Level == "error" {
			c.errors = append(c.errors, p.Entry.Text+" "+p.Entry.URL)
		}
	}
	return m
}

// complaints fails where the browser complained more often than expected: about each answer of status 400 and more, it
// does.
func (c *chrome) complaints(expected int) {
	c.t.Helper()
	if len(c.errors) != expected {
		c.t.Errorf("%d complaints, want %d: %s", len(c.errors), expected, strings.Join(c.errors, "\n"))
	}
}

// open loads an address and waits until it is loaded.
func (c *chrome) open(url string) {
	c.t.Helper()
	c.send("Page.navigate", map[string]any{"url": url})
	for c.next().Method != "Page.loadEventFired" {
	}
}

// eval runs a script in the page, waits for the promise that it may return, and stores its value in result.
func (c *chrome) eval(script string, result any) {
	c.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	c.call("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &r)
	if r.ExceptionDetails != nil {
		c.t.Fatalf("%s: %s %s", script, r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
	}
	if result != nil {
		if err := json.Unmarshal(r.Result.Value, result); err != nil {
			c.t.Fatalf("%s: %v", script, err)
		}
	}
}

// wait returns when a condition holds in the page; it looks after every change of the document.
func (c *chrome) wait(condition string) {
	c.t.Helper()
	var held bool
	c.eval(fmt.Sprintf(`new Promise((done) => {
		const look = () => { if (%s) { watch.disconnect(); clearTimeout(limit); done(true); } };
		const watch = new MutationObserver(look);
		const limit = setTimeout(() => { watch.disconnect(); done(false); }, %d);
		watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		look();
	})`, condition, (10*time.Second).Milliseconds()), &held)
	if !held {
		c.t.Fatalf("never true in the page: %s", condition)
	}
}

// key presses a key, such as "Tab" or "Enter".
func (c *chrome) key(name string, code int) {
	c.t.Helper()
	text := map[string]string{"Enter": "\r"}[name]
	for _, kind := range []string{"keyDown", "keyUp"} {
		c.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code, "text": text}, nil)
	}
}

// look sets the width of the window and the colour scheme.
func (c *chrome) look(width int, scheme string) {
	c.t.Helper()
	c.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	c.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// shot writes a picture of the whole page to the folder that INFER_TEST_SHOTS names, where it names one.
func (c *chrome) shot(name string) {
	c.t.Helper()
	dir := os.Getenv("INFER_TEST_SHOTS")
	if dir == "" {
		return
	}
	var picture struct{ Data string }
	c.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &picture)
	b, err := base64.StdEncoding.DecodeString(picture.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), b, 0o644); err != nil {
		c.t.Fatal(err)
	}
}
