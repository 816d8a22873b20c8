// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/conformance"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func TestJoins(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	other := newCore(t, tls.RequireAndVerifyClientCert)
	for name, try := range map[string]struct{ token, want string }{
		"another cloud's token": {other.token(), "its CA is another one"},
		"a used token":          {strings.Replace(m.core.token(), secret, "bad", 1), "redeemed at 12 o’clock"},
		"no token":              {"hello", "not a join token"},
	} {
		out, err := m.run(try.token, "join", "--core", m.core.address(), "--token-file", "-")
		if err == nil || !strings.Contains(out, try.want) {
			t.Errorf("%s: %v, %q", name, err, out)
		}
	}
	if out, err := m.run("", "attach"); err == nil || !strings.Contains(out, "has not joined") {
		t.Errorf("attached before it joined: %v, %q", err, out)
	}
	m.join()
	file := filepath.Join(m.state, "identity.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the identity: %v, %v", info, err)
	}
	if out, err := m.run(m.core.token(), "join", "--core", m.core.address(), "--token-file", "-"); err == nil || !strings.Contains(out, "joined already") {
		t.Errorf("joined twice: %v, %q", err, out)
	}
}

func TestStaysAttached(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.join()
	before := m.identity()
	m.attach()
	s := m.session()
	first := s.Hello
	if first.Provider != "hv1" || first.MachineID != "m1" || first.Plugin != "hello-node" || !slices.Equal(first.Versions, []int{handshake.ProtocolVersion}) {
		t.Errorf("it says hello as %+v", first)
	}
	await(t, "the certificate is renewed", func() bool { return m.core.renewals.Load() > 0 && m.identity() != before })
	for range 3 {
		s.Close()
		if s = m.session(); s.Hello.ProcessID != first.ProcessID {
			t.Error("its process id changed, though it is the same process")
		}
		if _, err := wire.NewClient(s.Conn()).Describe(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Wait(); err != nil {
		t.Errorf("told to end, it ended with %v", err)
	}
	m.cmd = nil
}

func TestRenewsWhatExpired(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.core.expire.Store(true)
	m.join()
	m.attach()
	if s := m.session(); s.Hello.Provider != "hv1" {
		t.Errorf("it says hello as %+v", s.Hello)
	}
	if m.core.shown.Load() == nil {
		t.Error("it attached with a certificate that expired")
	}
}

func TestJoinWaitsForApproval(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.core.waiting.Store(true)
	flags := []string{"--core", m.core.address(), "--token-file", "-"}
	var out lockedBuffer
	first := m.command("join", flags...)
	first.Stdin, first.Stdout = strings.NewReader(m.core.token()), &out
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "it asks again", func() bool { return len(m.core.askedToJoin()) > 1 })
	key := m.core.askedToJoin()[0]
	if !strings.Contains(out.String(), "key is "+key) {
		t.Errorf("it has the key %s, and says %q", key, out.String())
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.Wait()
	if _, err := os.Stat(filepath.Join(m.state, "identity.json")); err == nil {
		t.Error("it has an identity that nobody approved")
	}
	m.core.waiting.Store(false)
	m.join()
	if keys := slices.Compact(m.core.askedToJoin()); len(keys) != 1 {
		t.Errorf("it asked with the keys %q", keys)
	}
	if _, err := os.Stat(filepath.Join(m.state, "joining.key")); err == nil {
		t.Error("the key is still where it is while one joins")
	}
}

func TestAttachesToEveryCore(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.join()
	second := m.core.another(t)
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	m.attach("--core", away.Addr().String(), "--core", m.core.address(), "--core", second.address())
	one := m.session()
	two, err := second.host.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if one.Hello.ProcessID != two.Hello.ProcessID || one.Hello.Core != m.core.address() || two.Hello.Core != second.address() {
		t.Errorf("it says hello as %+v and %+v", one.Hello, two.Hello)
	}
	one.Close()
	one = m.session()
	for _, s := range []*attach.Session{one, two} {
		if _, err := wire.NewClient(s.Conn()).Describe(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.Data(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestRefusesAnotherCore(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.join()
	impostor := newCore(t, tls.RequireAnyClientCert) // which would take anybody
	m.attach("--core", impostor.address())
	await(t, "it says why it does not attach", func() bool { return strings.Contains(m.log.String(), "not attached to "+impostor.address()) })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := impostor.host.Accept(ctx); err == nil {
		t.Error("it attached to a core of another cloud")
	}
}

func config(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]string{"directory": t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestImagesOverTheDataConnection(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("rhyzome "), 4<<20) // 32 MiB
	sum := sha256.Sum256(content)
	ref := provider.ImageRef{SHA256: hex.EncodeToString(sum[:]), Format: provider.ImageRaw, SizeBytes: int64(len(content))}
	m := newMachine(t)
	m.join()
	m.attach()
	s := m.session()
	if _, err := wire.NewClient(s.Conn()).Configure(t.Context(), 1, config(t), 0); err != nil {
		t.Fatal(err)
	}
	data, err := s.Data(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	image, err := wire.NewClient(data).PutImage(t.Context(), ref, 0, bytes.NewReader(content))
	if err != nil || !image.Ready {
		t.Errorf("pushed: %+v, %v", image, err)
	}
}

// slow is content of which the second half never comes.
type slow struct {
	content []byte
	sent    chan struct{}
	end     <-chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.content) == 0 {
		close(s.sent)
		<-s.end
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, s.content)
	s.content = s.content[n:]
	return n, nil
}

func TestAnUploadThatBreaksGoesOn(t *testing.T) {
	t.Parallel()
	for _, path := range []string{program, "../python/provider.py"} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			child := &conformance.Child{Path: path}
			t.Cleanup(func() { child.Close() })
			cc, err := child.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			client := wire.NewClient(cc)
			if _, err := client.Configure(t.Context(), 1, config(t), 0); err != nil {
				t.Fatal(err)
			}
			content := bytes.Repeat([]byte("rhyzome "), 1<<19) // 4 MiB
			sum := sha256.Sum256(content)
			ref := provider.ImageRef{SHA256: hex.EncodeToString(sum[:]), Format: provider.ImageRaw, SizeBytes: int64(len(content))}
			ctx, cancel := context.WithCancel(t.Context())
			half := &slow{content: content[:len(content)/2], sent: make(chan struct{}), end: ctx.Done()}
			broken := make(chan error, 1)
			go func() {
				_, err := client.PutImage(ctx, ref, 0, half)
				broken <- err
			}()
			<-half.sent
			var there provider.Image
			await(t, "some of it is there", func() bool {
				there, err = client.GetImage(t.Context(), ref.SHA256)
				return err == nil && there.OffsetBytes > 0
			})
			cancel()
			if err := <-broken; err == nil {
				t.Error("half of it is enough")
			}
			limited, stop := context.WithTimeout(t.Context(), 20*time.Second)
			defer stop()
			for !there.Ready && limited.Err() == nil {
				if there, err = client.GetImage(limited, ref.SHA256); err != nil {
					t.Fatal(err)
				}
				if there, err = client.PutImage(limited, ref, there.OffsetBytes, bytes.NewReader(content[there.OffsetBytes:])); err != nil && fault.ReasonOf(err) != fault.BadState {
					t.Fatalf("the rest: %v", err)
				}
			}
			if !there.Ready {
				t.Errorf("the rest: %+v", there)
			}
		})
	}
}
