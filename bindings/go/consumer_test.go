// SPDX-License-Identifier: Apache-2.0

package strata

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

type quote struct {
	Price float64
	Size  uint64
}

func (quote) StrataTypeName() string { return "Quote" }

// describe is the line that languages_producer prints of the same generation.
func describe(t testing.TB, s *Snapshot) string {
	t.Helper()
	quotes, err := s.DimensionNumber("Quotes")
	check(t, err)
	line := fmt.Sprintf("%d:", s.Generation())
	for _, symbol := range []string{"AAA", "BBB", "CCC"} {
		layer, err := s.FindName(quotes, symbol)
		check(t, err)
		q, err := Value[quote](layer)
		check(t, err)
		line += fmt.Sprintf(" %s=%.2fx%d", symbol, q.Price, q.Size)
	}
	numbers, rows := make([]uint64, 1000), make([]uint64, 1000)
	for i := range numbers {
		numbers[i] = uint64(i)
	}
	copied, err := GatherValues(s, 1, numbers, rows, nil)
	check(t, err)
	var sum uint64
	for _, row := range rows {
		sum += row
	}
	if copied != len(numbers) {
		t.Errorf("gathered %d of %d", copied, len(numbers))
	}
	layer, err := s.FindName(quotes, "curve")
	check(t, err)
	curve, err := Values[float32](layer)
	check(t, err)
	if len(curve) != 10 || curve[1]*2 != curve[0] {
		t.Errorf("the curve is %v", curve)
	}
	text := "none"
	joy, err := s.Find(2, 5)
	check(t, err)
	if joy.Exists() {
		info, err := joy.Info()
		check(t, err)
		if info.Frequency != 1.5 || info.ID.Layer != 5 {
			t.Errorf("the text has %+v", info)
		}
		text = string(joy.Bytes()) + " " + strings.Join(info.Keywords, " ")
	}
	return line + fmt.Sprintf(" counters=%d curve=%.2f text=%s", sum, curve[0], text)
}

func TestReadsWhatAnotherProcessPublishes(t *testing.T) {
	base := newBase(t)
	producer := startProducer(t, base)
	consumer := attach(t, base)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	expected := producer.line()
	for round := 0; round < 5; round++ {
		snapshot := snapshotOf(t, consumer)
		if got := describe(t, snapshot); got != expected {
			t.Fatalf("got      %s\nexpected %s", got, expected)
		}
		waited := make(chan error, 1)
		go func() {
			result, err := consumer.Wait(ctx, snapshot.Generation())
			if err == nil && result != Changed {
				err = fmt.Errorf("the wait ended with %d", result)
			}
			waited <- err
		}()
		expected = producer.next()
		check(t, <-waited)
	}
	if pid, err := consumer.ProducerPID(); err != nil || pid != producer.cmd.Process.Pid {
		t.Errorf("the producer is %d (%v), not %d", pid, err, producer.cmd.Process.Pid)
	}
	producer.kill()
	if result, err := consumer.Wait(ctx, consumer.Generation()); err != nil || result != ProducerGone {
		t.Errorf("after the producer's death: %d, %v", result, err)
	}
	again := startProducer(t, base)
	if got := again.line(); got != describe(t, snapshotOf(t, consumer)) {
		t.Error("a restarted producer's generation reads otherwise:", got)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	base := newBase(t)
	produce(t, base)
	consumer := attach(t, base)
	ctx, cancel := context.WithCancel(context.Background())
	const waiters = 20
	ended := make(chan error, waiters)
	for i := 0; i < waiters; i++ {
		go func() {
			_, err := consumer.Wait(ctx, consumer.Generation())
			ended <- err
		}()
	}
	until(t, func() bool { return waiting(consumer) == waiters })
	cancel()
	for i := 0; i < waiters; i++ {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error("a cancelled wait ended with", err)
		}
	}
	if _, err := consumer.Wait(ctx, consumer.Generation()); !errors.Is(err, context.Canceled) {
		t.Error("a wait that was cancelled before ended with", err)
	}
	timed, stop := context.WithTimeout(context.Background(), time.Millisecond)
	defer stop()
	if _, err := consumer.Wait(timed, consumer.Generation()); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("a wait with a deadline ended with", err)
	}
	if waiting(consumer) != 0 {
		t.Error("cancellations are left")
	}
}

// A thread is taken by each wait under way, and used again by the next ones.
func TestWaitsLeakNoThread(t *testing.T) {
	base := newBase(t)
	produce(t, base)
	consumer := attach(t, base)
	cancelOne := func() {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			consumer.Wait(ctx, consumer.Generation())
			close(ended)
		}()
		until(t, func() bool { return waiting(consumer) == 1 })
		cancel()
		<-ended
	}
	for i := 0; i < 20; i++ {
		cancelOne()
	}
	before, goroutines := threads(t), runtime.NumGoroutine()
	for i := 0; i < 200; i++ {
		cancelOne()
	}
	if after := threads(t); after > before+20 {
		t.Errorf("%d threads before, %d after 200 waits", before, after)
	}
	until(t, func() bool { return runtime.NumGoroutine() <= goroutines })
}

func threads(t *testing.T) int {
	tasks, err := os.ReadDir("/proc/self/task")
	check(t, err)
	return len(tasks)
}

// waiting counts the waits that Close would end.
func waiting(c *Consumer) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.waits)
}

// until yields to others until it is true.
func until(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestCloseEndsWaitsAndIsFinal(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	publish(t, p, func(b *Batch) { check(t, b.Put(1, 1, []byte("text"), LayerOptions{})) })
	consumer := attach(t, base)
	snapshot := snapshotOf(t, consumer)
	ended := make(chan error, 1)
	go func() {
		_, err := consumer.Wait(context.Background(), consumer.Generation())
		ended <- err
	}()
	until(t, func() bool { return waiting(consumer) == 1 })
	check(t, consumer.Close())
	check(t, consumer.Close())
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Error("the wait of a closed consumer ended with", err)
	}
	_, snapshotErr := consumer.Snapshot()
	_, waitErr := consumer.Wait(context.Background(), 0)
	_, statisticsErr := consumer.Statistics()
	for _, err := range []error{snapshotErr, waitErr, statisticsErr} {
		if !errors.Is(err, ErrClosed) {
			t.Error("a closed consumer says", err)
		}
	}
	if consumer.Generation() != 0 || textOfLayer(t, snapshot, 1, 1) != "text" {
		t.Error("a snapshot does not outlive its consumer")
	}
	layer, err := snapshot.Find(1, 1)
	check(t, err)
	check(t, snapshot.Close())
	_, copyErr := layer.Copy()
	_, findErr := snapshot.Find(1, 1)
	_, infoErr := layer.Info()
	for _, err := range []error{copyErr, findErr, infoErr, layer.Verify()} {
		if !errors.Is(err, ErrClosed) {
			t.Error("a closed snapshot says", err)
		}
	}
	if layer.Bytes() != nil || snapshot.Generation() != 2 {
		t.Error("a closed snapshot gives bytes")
	}
}

// For the race detector, and for memory: who closes does not wait for who reads.
func TestClosingWhileOthersRead(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	publish(t, p, func(b *Batch) { check(t, b.Put(1, 1, make([]byte, 4096), LayerOptions{})) })
	for round := 0; round < 20; round++ {
		consumer, err := Attach("store", ConsumerOptions{BasePath: base})
		check(t, err)
		snapshot, err := consumer.Snapshot()
		check(t, err)
		layer, err := snapshot.Find(1, 1)
		check(t, err)
		var readers sync.WaitGroup
		begun := make(chan struct{}, 4)
		for i := 0; i < 4; i++ {
			readers.Add(1)
			go func() {
				defer readers.Done()
				begun <- struct{}{}
				for {
					if _, err := layer.Copy(); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
					if _, _, err := consumer.Retained(); err != nil && !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
				}
			}()
		}
		for i := 0; i < 4; i++ {
			<-begun
		}
		check(t, consumer.Close())
		check(t, snapshot.Close())
		readers.Wait()
	}
}

func TestUnreachableSnapshotsAreReleased(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	publish(t, p, func(b *Batch) { check(t, b.Put(1, 1, []byte("old"), LayerOptions{})) })
	consumer := attach(t, base)
	released := make(chan struct{})
	func() {
		snapshot, err := consumer.Snapshot()
		check(t, err)
		free := snapshot.free
		snapshot.free = func() {
			free()
			close(released)
		}
	}()
	for end := time.Now().Add(patience); ; {
		runtime.GC()
		select {
		case <-released:
			return
		default:
			if time.Now().After(end) {
				t.Fatal("the finalizer did not run")
			}
			runtime.Gosched()
		}
	}
}

func TestFollowSeesTheNewestGeneration(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	consumer := attach(t, base)
	done := errors.New("done")
	var seen []uint64
	err := consumer.Follow(context.Background(), func(s *Snapshot) error {
		seen = append(seen, s.Generation())
		if len(seen) == 4 {
			return done
		}
		publish(t, p, func(b *Batch) { check(t, b.Put(1, 1, []byte("x"), LayerOptions{})) })
		return nil
	})
	if !errors.Is(err, done) || fmt.Sprint(seen) != "[1 2 3 4]" {
		t.Error("followed", seen, err)
	}
	check(t, p.Close())
	check(t, RemoveStore("store", base))
	if err := consumer.Follow(context.Background(), func(*Snapshot) error { return nil }); !errors.Is(err, StoreReplaced) {
		t.Error("of a removed store:", err)
	}
	if replaced, err := consumer.StoreWasReplaced(); err != nil || !replaced {
		t.Error("replaced:", replaced, err)
	}
	produce(t, base)
	again, err := consumer.Reattach()
	check(t, err)
	defer again.Close()
	if again.Generation() != 1 {
		t.Error("attached anew, generation", again.Generation())
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	base := newBase(t)
	_, err := Attach("none", ConsumerOptions{BasePath: base})
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, StoreNotFound) || errors.Is(err, Corrupt) {
		t.Fatal("attached to nothing:", err)
	}
	if !strings.HasPrefix(e.Path, base) || e.Operation == "" || e.Hint == "" || !strings.Contains(e.Message, "none") {
		t.Errorf("the error says %+v", e)
	}
	if StoreNotFound.Error() != "store_not_found" || OutOfMemory.Error() != "out_of_memory" {
		t.Error("codes have other names")
	}
	for name, code := range map[string]Code{"../x": InvalidName, "": InvalidName, "a\x00b": InvalidName} {
		if _, err := Attach(name, ConsumerOptions{BasePath: base}); !errors.Is(err, code) {
			t.Errorf("attached to %q: %v", name, err)
		}
	}
	if _, err := Attach("none", ConsumerOptions{BasePath: "a\x00b"}); !errors.Is(err, InvalidArgument) {
		t.Error("a base path with a zero byte:", err)
	}
	if _, err := Attach("none", ConsumerOptions{BasePath: base, TrustedOwner: 9}); !errors.Is(err, InvalidArgument) {
		t.Error("an unknown option:", err)
	}
}

// Files cut short under the mapping: an error for what is guarded, not the end of the process.
func TestTruncatedFilesAreErrors(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	publish(t, p, func(b *Batch) { check(t, b.Put(1, 1, make([]byte, 1<<20), LayerOptions{})) })
	consumer := attach(t, base)
	snapshot := snapshotOf(t, consumer)
	layer, err := snapshot.Find(1, 1)
	check(t, err)
	regions, err := filepath.Glob(filepath.Join(base, "store", "*"))
	check(t, err)
	cut := 0
	for _, region := range regions {
		if info, err := os.Stat(region); err == nil && info.Size() > 1<<20 {
			check(t, os.Truncate(region, 64<<10))
			cut++
		}
	}
	if cut == 0 {
		t.Fatal("no region file among", regions)
	}
	rows := make([]byte, 1<<20)
	_, gatherErr := snapshot.Gather(1, []uint64{1}, rows, nil)
	_, copyErr := layer.Copy()
	for what, err := range map[string]error{"Copy": copyErr, "Gather": gatherErr, "Verify": layer.Verify()} {
		if !errors.Is(err, Truncated) {
			t.Errorf("%s of a truncated layer: %v", what, err)
		}
	}
}
