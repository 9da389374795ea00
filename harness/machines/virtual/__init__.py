"""Machines in virtual time: User-Mode Linux in time-travel mode; see docs/virtual-time.md."""
