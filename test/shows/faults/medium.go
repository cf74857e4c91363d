package main

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A medium is a file system whose reads and writes fail as it is told. What is
// below is a folder.
type medium struct {
	server *fuse.Server

	mu sync.Mutex // guards the fields below

	read, write syscall.Errno // 0: they do not fail
	short       bool          // writes take a part
	direct      bool          // files that are opened from now on are not cached: else the kernel makes an error of a short write
	flip        bool          // reads flip a bit in each 64 KiB
	hung        chan struct{} // closed when calls go on; nil: they do not hang
	held, calls int           // calls that hang now, that failed
	nodes       map[*node]struct{}
}

// mount shows what is in back under dir.
func mount(back, dir string) (*medium, error) {
	m := &medium{nodes: map[*node]struct{}{}}
	var st syscall.Stat_t
	if err := syscall.Stat(back, &st); err != nil {
		return nil, err
	}
	root := &fs.LoopbackRoot{Path: back, Dev: st.Dev}
	first := &node{LoopbackNode: fs.LoopbackNode{RootData: root}, m: m}
	root.RootNode = first
	none := time.Duration(0)
	server, err := fs.Mount(dir, first, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "faults", Name: "faults", MaxWrite: 512 << 10, AllowOther: true},
		AttrTimeout:  &none, EntryTimeout: &none,
	})
	if err != nil {
		return nil, fmt.Errorf("FUSE on %s: %w", dir, err)
	}
	m.server = server
	return m, nil
}

// set changes how it fails, after the pages that the kernel keeps are dropped,
// so that what is asked for next has to be read.
func (m *medium) set(change func(m *medium)) {
	m.forget()
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// forget has the kernel drop its pages. Nothing may hang meanwhile.
func (m *medium) forget() {
	m.mu.Lock()
	nodes := make([]*node, 0, len(m.nodes))
	if m.hung == nil {
		for n := range m.nodes {
			nodes = append(nodes, n)
		}
	}
	m.mu.Unlock()
	for _, n := range nodes {
		_ = n.NotifyContent(0, 0) // not open any more
	}
}

// hang has every call wait until heal.
func (m *medium) hang() { m.set(func(m *medium) { m.hung = make(chan struct{}) }) }

// heal ends all faults.
func (m *medium) heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read, m.write, m.short, m.flip = 0, 0, false, false
	if m.hung != nil {
		close(m.hung)
		m.hung = nil
	}
}

// pass waits while calls hang, and says how this one is to fail.
func (m *medium) pass(writes bool) (e syscall.Errno, short, flip bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if hung := m.hung; hung != nil {
		m.held++
		m.calls++
		m.mu.Unlock()
		<-hung
		m.mu.Lock()
		m.held--
	}
	e = m.read
	if writes {
		e = m.write
	}
	if e != 0 || writes && m.short || !writes && m.flip {
		m.calls++
	}
	return e, m.short, m.flip
}

// counted returns how many calls hang, and how many failed or hung so far.
func (m *medium) counted() (held, calls int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held, m.calls
}

func (m *medium) close() error {
	m.heal()
	return m.server.Unmount()
}

// A node is a file or a folder of a medium.
type node struct {
	fs.LoopbackNode
	m *medium
}

var (
	_ fs.NodeReader      = (*node)(nil)
	_ fs.NodeWriter      = (*node)(nil)
	_ fs.NodeFsyncer     = (*node)(nil)
	_ fs.NodeAllocater   = (*node)(nil)
	_ fs.NodeOpener      = (*node)(nil)
	_ fs.NodeCreater     = (*node)(nil)
	_ fs.NodeWrapChilder = (*node)(nil)
)

// WrapChild has what is below n be of its kind.
func (n *node) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: fs.LoopbackNode{RootData: ops.(*fs.LoopbackNode).RootData}, m: n.m}
}

// Open notes which files are open.
func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, f, e := n.LoopbackNode.Open(ctx, flags&^syscall.O_DIRECT) // below, buffers need not be aligned
	h, more := n.opened(h)
	return h, f | more, e
}

// Create is Open for a file that is not there.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	in, h, f, e := n.LoopbackNode.Create(ctx, name, flags&^syscall.O_DIRECT, mode, out)
	if e != 0 {
		return nil, nil, 0, e
	}
	h, more := in.Operations().(*node).opened(h)
	return in, h, f | more, 0
}

// opened notes that n is open by h, and returns what to give to the kernel.
func (n *node) opened(h fs.FileHandle) (fs.FileHandle, uint32) {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	n.m.nodes[n] = struct{}{}
	flags := uint32(fuse.FOPEN_KEEP_CACHE)
	if n.m.direct {
		flags = fuse.FOPEN_DIRECT_IO
	}
	if l, ok := h.(*fs.LoopbackFile); ok {
		return handle{l}, flags
	}
	return h, flags
}

// A handle is an open file whose reads and writes come here: else the kernel
// would make them on the file below.
type handle struct{ *fs.LoopbackFile }

// PassthroughFd refuses.
func (handle) PassthroughFd() (int, bool) { return -1, false }

// Read implements fs.NodeReader.
func (n *node) Read(ctx context.Context, f fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	e, _, flip := n.m.pass(false)
	if e != 0 {
		return nil, e
	}
	r, e := f.(fs.FileReader).Read(ctx, dest, off)
	if e != 0 || !flip {
		return r, e
	}
	b, status := r.Bytes(dest)
	if !status.Ok() {
		return nil, syscall.EIO
	}
	for i := 4321; i < len(b); i += 64 << 10 {
		b[i] ^= 4
	}
	return fuse.ReadResultData(b), 0
}

// Write implements fs.NodeWriter.
func (n *node) Write(ctx context.Context, f fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	e, short, _ := n.m.pass(true)
	if e != 0 {
		return 0, e
	}
	if short && len(data) >= 8192 {
		data = data[:len(data)/2&^4095]
	}
	return f.(fs.FileWriter).Write(ctx, data, off)
}

// Fsync implements fs.NodeFsyncer.
func (n *node) Fsync(ctx context.Context, f fs.FileHandle, flags uint32) syscall.Errno {
	if e, _, _ := n.m.pass(true); e != 0 {
		return e
	}
	return f.(fs.FileFsyncer).Fsync(ctx, flags)
}

// Allocate implements fs.NodeAllocater.
func (n *node) Allocate(ctx context.Context, f fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	if e, _, _ := n.m.pass(true); e != 0 {
		return e
	}
	return f.(fs.FileAllocater).Allocate(ctx, off, size, mode)
}
