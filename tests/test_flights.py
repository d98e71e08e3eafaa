"""
Tests of L{pdlease.flights}; what follows from an answer is shown in L{tests.test_applier}.
"""

from __future__ import annotations

from errno import EPERM
from ipaddress import IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from pdlease.acts import Act
from pdlease.flights import Flight, Flights
from pdlease.operations import Operation, PrivilegeError, RemoveUnreachable
from tests.fakes import RecordingPrivilege


def remove(number: int) -> RemoveUnreachable:
    """One of many operations."""
    return RemoveUnreachable(link="eth0", prefix=IPv6Network((number << 64, 64)), table=254, metric=4096)


def flight(number: int, *operations: Operation) -> Flight:
    """An act of some operations."""
    act = Act(key=("key", number), operations=operations)
    return Flight(act=act, started=10.0, seen=None, missing=len(operations))


class FlightsTests(SynchronousTestCase):
    """What is under way."""

    def setUp(self) -> None:
        self.privilege = RecordingPrivilege()
        self.privilege.holding = True
        self.ended: list[Flight] = []
        self.flights = Flights(self.privilege, self.ended.append)

    def test_over_with_the_last_answer(self) -> None:
        """An act of two operations is over when both are answered, whichever comes first."""
        two, one = flight(1, remove(1), remove(2)), flight(2, remove(3))
        self.flights.begin([two, one])
        self.assertEqual(self.privilege.batches, [(remove(1), remove(2), remove(3))])
        self.assertEqual(set(self.flights.keys), {("key", 1), ("key", 2)})
        self.privilege.answer(1)
        self.assertEqual(self.ended, [])
        self.assertEqual(self.flights.lasting(("key", 1), 12.5), 2.5)
        self.privilege.answer()
        self.assertEqual(self.ended, [two, one])
        self.assertFalse(self.flights)
        self.assertEqual(self.flights.lasting(("key", 1), 12.5), 0.0)

    def test_first_refusal(self) -> None:
        """Of several refusals the first is told, with operation, error number and the kernel's words."""
        numbers = iter((EPERM, 5))
        self.privilege.refuses = lambda operation: PrivilegeError(str(operation), next(numbers), "no")
        self.privilege.holding = False
        two = flight(1, remove(1), remove(2))
        self.flights.begin([two])
        (problem,) = [each.problem for each in self.ended]
        assert problem is not None
        self.assertEqual((problem.operation, problem.errno, problem.text), (str(remove(1)), EPERM, "no"))
