// Package fencefile writes files under fencing tokens, which is what tokens are
// for: a holder that was stopped, suspended or cut off past its lease's end
// and wakes up believing that it still holds the path cannot overwrite what
// its successor wrote.
//
//	files, err := fencefile.Open(root)
//	...
//	l, err := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("notes.txt")})
//	...
//	err = files.WriteFile(ctx, l.Ref(), "notes.txt", data, 0o644)
//	if errors.Is(err, fencefile.ErrStale) {
//		// Somebody with a newer token has been here. Nothing was written.
//	}
//
// A [Dir] remembers for each path the newest token that came with a call, and
// whose lease it was of, in a small file under .leasekit/fence in the
// directory's root, and refuses older ones. All tokens used in one directory
// must come from one namespace: the same token of another lease is refused,
// since it comes from elsewhere. Only what goes through a Dir is fenced: whoever
// writes a file by other means escapes it, and so does whoever deletes
// .leasekit.
//
// What a checkout, an archive or a prank has put in place of .leasekit, or in
// it, is [ErrDamaged] unless it is a directory or a regular file: no symbolic
// link there is followed. If the root is renamed and made anew, that is
// [ErrMoved].
//
// # Reading
//
// A file is replaced as a whole, so anybody may read it at any time with
// os.ReadFile, and gets what one call wrote. [Dir.ReadFile] is for a holder who
// reads in order to write: it also raises the fence, so that nothing older can
// be written between the reading and the writing.
//
// # Systems
//
// It works where there is a lock that the system takes back from a process that
// dies: flock on Linux, macOS and the BSDs, LockFileEx on Windows;
// elsewhere [Open] fails with [errors.ErrUnsupported]. On a network file system
// it is as good as that system's flock and rename.
package fencefile
