// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// forField says which field of the request a flag sets, so that an error of the field can name the flag.
func forField(cmd *cobra.Command, flag, field string) {
	f := cmd.Flags().Lookup(flag)
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[fieldOf] = append(f.Annotations[fieldOf], field)
}

// forFile says which part of the request a flag's file holds, so that an error of a field can name its place in the file.
func forFile(cmd *cobra.Command, flag, part string) {
	f := cmd.Flags().Lookup(flag)
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[fileOf] = append(f.Annotations[fileOf], part)
}

// naming is the flags that every create command has.
type naming struct {
	display string
	labels  labelFlag
}

// labelFlag collects KEY=VALUE pairs.
type labelFlag map[string]string

// Set reads one pair.
func (l *labelFlag) Set(text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return fmt.Errorf("write KEY=VALUE")
	}
	if *l == nil {
		*l = labelFlag{}
	}
	(*l)[key] = value
	return nil
}

// String writes the pairs.
func (l *labelFlag) String() string { return labels(*l) }

// Type is what the help calls it.
func (l *labelFlag) Type() string { return "KEY=VALUE" }

func (n *naming) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&n.display, "display-name", "", "`NAME` for people; it may change")
	cmd.Flags().Var(&n.labels, "label", "label; may be repeated")
	forField(cmd, "display-name", "/display_name")
	forField(cmd, "label", "/labels")
}

// sizeFlag is a number of bytes: 536870912, 512MiB, 10GB.
type sizeFlag int64

var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"", 1}}

// Set reads a size.
func (s *sizeFlag) Set(text string) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.bytes {
			return fmt.Errorf("write a whole number and a unit, such as 512MiB or 10GiB")
		}
		*s = sizeFlag(n * u.bytes)
		return nil
	}
	return nil
}

// String writes the size.
func (s *sizeFlag) String() string {
	if *s == 0 {
		return ""
	}
	return size(int64(*s))
}

// Type is what the help calls it.
func (s *sizeFlag) Type() string { return "SIZE" }

// readable bounds exact numbers: people take in 1536 MiB, and not 10971340 KiB.
const readable = 10000

// size writes bytes for people: exactly where that is short.
func size(n int64) string {
	for _, u := range units[:4] {
		if n >= u.bytes && n%u.bytes == 0 && n/u.bytes < readable {
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		}
	}
	for _, u := range units[:4] {
		if n >= u.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// moment writes a time for people; nothing for none.
func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

// completionTime is how long the shell may be kept waiting.
const completionTime = 2 * time.Second

// complete completes the values of a flag.
func complete(cmd *cobra.Command, flag string, values func(*cobra.Command) ([]string, error)) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return completed(cmd, values)
	})
	cobra.CheckErr(err) // the flag was just added
}

// completeNames completes the first most arguments; 0 for any number.
func completeNames(most int, values func(*cobra.Command) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completed(cmd, values)
	}
}

func completed(cmd *cobra.Command, values func(*cobra.Command) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	cmd.SetContext(ctx)
	all, err := values(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// names collects the names of a list.
func names[T any](items iter.Seq2[T, error], name func(T) string) ([]string, error) {
	var all []string
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		all = append(all, name(item))
	}
	return all, nil
}
