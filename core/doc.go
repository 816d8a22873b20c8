// SPDX-License-Identifier: Apache-2.0

// Package core is the vocabulary of the control plane: one file a noun, and the few interfaces between its parts. The
// types carry JSON tags because they are what REST shows. It decides nothing; see core/compute and core/network for the
// use cases. There is no compatibility promise to importers outside this module.
package core
