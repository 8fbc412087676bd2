// Package chromium drives a real Chromium for the tests of what is looked at: pages are opened, pressed and photographed.
package chromium

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

// Page is a page in a Chromium, spoken to over a pair of pipes in the DevTools protocol: one JSON message, one zero byte.
// A failure of any kind fails the test that it was started for. It is not safe for concurrent use.
type Page struct {
	t       *testing.T
	in      *os.File
	out     *bufio.Reader
	id      int
	session string
	errors  []string // exceptions, and what the browser complains about: policy, failed requests
	URLs    []string // what the page asked for
}

// Start starts Chromium with an empty profile and opens a page; the end of the test closes it. A machine without it skips.
func Start(t *testing.T) *Page {
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
	c := &Page{t: t, in: in, out: bufio.NewReaderSize(out, 1<<20)}
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
	c.Call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	c.Call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	c.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		c.Call(domain+".enable", nil, nil)
	}
	return c
}

func (c *Page) send(method string, params any) int {
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

// Call sends a command and waits for its result.
func (c *Page) Call(method string, params, result any) {
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
func (c *Page) next() message {
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
			c.URLs = append(c.URLs, p.Request.URL)
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

// Complaints fails where the browser complained more often than expected: about each answer of status 400 and more, it
// does.
func (c *Page) Complaints(expected int) {
	c.t.Helper()
	if len(c.errors) != expected {
		c.t.Errorf("%d complaints, want %d: %s", len(c.errors), expected, strings.Join(c.errors, "\n"))
	}
}

// Open loads an address and waits until it is loaded.
func (c *Page) Open(url string) {
	c.t.Helper()
	c.send("Page.navigate", map[string]any{"url": url})
	for c.next().Method != "Page.loadEventFired" {
	}
}

// Eval runs a script in the page, waits for the promise that it may return, and stores its value in result.
func (c *Page) Eval(script string, result any) {
	c.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	c.Call("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &r)
	if r.ExceptionDetails != nil {
		c.t.Fatalf("%s: %s %s", script, r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
	}
	if result != nil {
		if err := json.Unmarshal(r.Result.Value, result); err != nil {
			c.t.Fatalf("%s: %v", script, err)
		}
	}
}

// Wait returns when a condition holds in the page; it looks after every change of the document.
func (c *Page) Wait(condition string) {
	c.t.Helper()
	var held bool
	c.Eval(fmt.Sprintf(`new Promise((done) => {
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

// Key presses a key, such as "Tab" or "Enter".
func (c *Page) Key(name string, code int) {
	c.t.Helper()
	text := map[string]string{"Enter": "\r"}[name]
	for _, kind := range []string{"keyDown", "keyUp"} {
		c.Call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code, "text": text}, nil)
	}
}

// Look sets the width of the window and the colour scheme.
func (c *Page) Look(width int, scheme string) {
	c.t.Helper()
	c.Call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	c.Call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// Shot writes a picture of the whole page to the folder that INFER_TEST_SHOTS names, where it names one.
func (c *Page) Shot(name string) {
	c.t.Helper()
	dir := os.Getenv("INFER_TEST_SHOTS")
	if dir == "" {
		return
	}
	var picture struct{ Data string }
	c.Call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &picture)
	b, err := base64.StdEncoding.DecodeString(picture.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), b, 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// Axe fails on everything that axe-core finds in the page.
func (c *Page) Axe() {
	c.t.Helper()
	path := os.Getenv("INFER_TEST_AXE")
	if path == "" {
		c.t.Log("scripts/page-check.sh runs this with axe-core")
		return
	}
	source, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	c.Eval(string(source)+"; 0", nil)
	var found []struct {
		ID, Help string
		Nodes    json.RawMessage
	}
	c.Eval(`axe.run().then((r) => r.violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((n) => n.html + n.failureSummary) })))`, &found)
	for _, v := range found {
		c.t.Errorf("axe: %s: %s: %s", v.ID, v.Help, v.Nodes)
	}
}
