// SPDX-License-Identifier: Apache-2.0

// Package process is a provider whose instances are local processes: a useful backend where a virtual machine is more
// than is needed, and an example of one that really does something. It builds on Linux only.
//
// What an instance is made of:
//
//   - The image is a program: a binary, or a script that begins with #!. It comes as raw for a vm and as kernel for a
//     unikernel. The command line of a unikernel, cut at white space, is its arguments.
//   - It runs in a directory of its own, which stays while the instance is stopped and goes when it is deleted. Its
//     environment is PATH, HOME, RHYZOME_INSTANCE_ID, RHYZOME_INSTANCE_NAME, RHYZOME_PROJECT, RHYZOME_COMMAND_LINE, and
//     RHYZOME_SEED, which names a directory with user-data, meta-data and network-config, if there is cloud-init.
//   - To stop is SIGTERM, and after the setting grace_seconds SIGKILL. A reboot starts the program again, a hard one
//     without SIGTERM. When the program ends, whatever it started ends with it; the setting restart says what then.
//   - The console is what the program writes to stdout and stderr, and what it reads from stdin.
//   - Network interfaces and initrds are refused: the program uses its host's network. Processors, memory and disk count
//     where the core places, and nothing holds a program to them.
//
// How it keeps the contract:
//
//   - An instance's record (ID.json) says what should be, the tag included. The provider writes it before anything else.
//   - A supervisor, a small process for each instance that runs, does what the record says and writes what is (ID/state).
//     SIGHUP tells it to look at the record again. It holds a lock on ID/lock while it lives, so that the kernel knows who
//     it is, and never a file alone. It is in a session of its own and outlives the provider, which may be killed at any time.
//   - All that a program starts is the supervisor's to end: it adopts orphans. What a killed supervisor could not end is
//     found by RHYZOME_INSTANCE_ID when the instance is deleted.
//   - After a boot of the machine, Configure starts what ran before.
//
// Programs run as the provider's user, or, if the provider runs as root, as the user of the setting. As the same user
// they could change each other and the provider's files: give those that do not trust each other a provider each, with a
// user each. A systemd unit for it needs KillMode=process, or a restart of the provider ends the instances.
package process
