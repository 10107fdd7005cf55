// SPDX-License-Identifier: Apache-2.0

// consumer prints a line for every generation of the store that languages_producer publishes, until
// the producer is gone or Ctrl-C: consumer STORE [BASE_PATH]
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"strata"
)

// Quote is what the producer, in C++, calls by that name.
type Quote struct {
	Price float64
	Size  uint64
}

func (Quote) StrataTypeName() string { return "Quote" }

func line(snapshot *strata.Snapshot) (string, error) {
	quotes, err := snapshot.DimensionNumber("Quotes")
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%d:", snapshot.Generation())
	for _, symbol := range []string{"AAA", "BBB", "CCC"} {
		layer, err := snapshot.FindName(quotes, symbol)
		if err != nil {
			return "", err
		}
		quote, err := strata.Value[Quote](layer) // a copy
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf(" %s=%.2fx%d", symbol, quote.Price, quote.Size)
	}
	numbers, counters := make([]uint64, 1000), make([]uint64, 1000)
	for i := range numbers {
		numbers[i] = uint64(i)
	}
	if _, err := strata.GatherValues(snapshot, 1, numbers, counters, nil); err != nil { // one call
		return "", err
	}
	var sum uint64
	for _, counter := range counters {
		sum += counter
	}
	layer, err := snapshot.FindName(quotes, "curve")
	if err != nil {
		return "", err
	}
	curve, err := strata.Values[float32](layer) // in place, until the snapshot is closed
	if err != nil {
		return "", err
	}
	text += fmt.Sprintf(" counters=%d curve=%.2f text=", sum, curve[0])
	joy, err := snapshot.Find(2, 5)
	if err != nil || !joy.Exists() {
		return text + "none", err
	}
	info, err := joy.Info()
	return text + string(joy.Bytes()) + " " + strings.Join(info.Keywords, " "), err
}

func run(ctx context.Context, name, base string) error {
	consumer, err := strata.Attach(name, strata.ConsumerOptions{BasePath: base, WaitForStore: time.Minute})
	if err != nil {
		return err
	}
	defer consumer.Close()
	for seen := uint64(1); ; { // generation 1 is the empty store
		result, err := consumer.Wait(ctx, seen)
		if err != nil || result != strata.Changed {
			return err
		}
		snapshot, err := consumer.Snapshot()
		if err != nil {
			return err
		}
		seen = snapshot.Generation()
		text, err := line(snapshot)
		snapshot.Close()
		if err != nil {
			return err
		}
		fmt.Println(text)
	}
}

func main() {
	if len(os.Args) != 2 && len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: consumer STORE [BASE_PATH]")
		os.Exit(2)
	}
	base := ""
	if len(os.Args) == 3 {
		base = os.Args[2]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], base); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
