// SPDX-License-Identifier: Apache-2.0

package strata

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen; nothing depends on how quick it is.
const patience = time.Minute

// newBase is a base directory in shared memory for one test.
func newBase(t testing.TB) string {
	t.Helper()
	base, err := os.MkdirTemp("/dev/shm", "strata-test.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	return base
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func produce(t testing.TB, base string) *Producer {
	t.Helper()
	p, err := Produce("store", ProducerOptions{BasePath: base, MemoryLimit: 64 << 20, RegionMaxBytes: 64 << 20})
	check(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

func attach(t testing.TB, base string) *Consumer {
	t.Helper()
	c, err := Attach("store", ConsumerOptions{BasePath: base, WaitForStore: patience})
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func snapshotOf(t testing.TB, c *Consumer) *Snapshot {
	t.Helper()
	s, err := c.Snapshot()
	check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// publish crystallizes what change puts into a batch.
func publish(t testing.TB, p *Producer, change func(*Batch)) uint64 {
	t.Helper()
	b, err := p.Batch()
	check(t, err)
	defer b.Close()
	change(b)
	generation, err := b.Crystallize()
	check(t, err)
	return generation
}

// textOfLayer is "" for a layer that does not exist.
func textOfLayer(t testing.TB, s *Snapshot, dimension uint32, layer uint64) string {
	t.Helper()
	l, err := s.Find(dimension, layer)
	check(t, err)
	if !l.Exists() {
		return ""
	}
	text, err := l.Text()
	check(t, err)
	return text
}

// liveProducer is a C++ program that crystallizes a generation for every line that it reads.
type liveProducer struct {
	t      testing.TB
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Reader
}

func startProducer(t testing.TB, base string) *liveProducer {
	t.Helper()
	program := os.Getenv("STRATA_TEST_PRODUCER")
	if program == "" {
		t.Skip("STRATA_TEST_PRODUCER does not name the program languages_producer")
	}
	l := &liveProducer{t: t, cmd: exec.Command(program, "store", base)}
	l.cmd.Stderr = os.Stderr
	input, err := l.cmd.StdinPipe()
	check(t, err)
	output, err := l.cmd.StdoutPipe()
	check(t, err)
	check(t, l.cmd.Start())
	l.input, l.output = input, bufio.NewReader(output)
	t.Cleanup(func() {
		l.input.Close()
		l.cmd.Process.Kill()
		l.cmd.Wait()
	})
	return l
}

// line is what it says of the generation that it has crystallized.
func (l *liveProducer) line() string {
	l.t.Helper()
	line, err := l.output.ReadString('\n')
	check(l.t, err)
	return line[:len(line)-1]
}

// next has it crystallize another one.
func (l *liveProducer) next() string {
	l.t.Helper()
	_, err := io.WriteString(l.input, "\n")
	check(l.t, err)
	return l.line()
}

// kill ends it as a crash would.
func (l *liveProducer) kill() {
	l.t.Helper()
	check(l.t, l.cmd.Process.Kill())
	l.cmd.Wait()
}
