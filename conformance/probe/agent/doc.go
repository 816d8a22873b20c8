// SPDX-License-Identifier: Apache-2.0

// Package agent is the probe that package probe starts and asks: what runs in a network namespace, on a guest or on the
// outside.
package agent
