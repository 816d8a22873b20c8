// SPDX-License-Identifier: Apache-2.0

// Package uci edits OpenWrt's configuration files without touching what is not ours.
//
// A file is cut into sections that are ours, told by their names, and everything else: other sections, comments,
// blank lines. Everything else is kept byte for byte, in its place. Our sections are rendered by go-uci, which is fed
// only with names and values that it handles (its defects are many: it writes apostrophes and newlines unescaped,
// drops comments, refuses syntax that uci accepts, resets the file's mode), and what it rendered is read back and
// compared before it goes anywhere near a configuration directory. Reading is done by a scanner of our own, which
// follows libuci's parser character by character.
package uci
