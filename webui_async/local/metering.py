"""API keys and usage plans: who calls, and whether they may call again already."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from webui_async.local.deployed import ApiKey, UsagePlan
from webui_async.local.refusals import Refused


@dataclass
class _Meter:
    tokens: float
    filled_at: float
    period: str = ""
    used: int = 0


class Metering:
    """The keys of an API, each with its meter."""

    def __init__(self, keys: dict[str, ApiKey], plans: dict[str, UsagePlan], now: Callable[[], float]):
        self._keys, self._plans, self._now = keys, plans, now
        self._meters: dict[tuple[str, str], _Meter] = {}
        self._lock = threading.Lock()

    def add_key(self, name: str) -> ApiKey:
        """A further key, on every usage plan."""
        key = ApiKey(secrets.token_hex(5), name, secrets.token_urlsafe(30))
        with self._lock:
            self._keys[key.id] = key
            for plan in self._plans.values():
                plan.key_ids.add(key.id)
        return key

    def admit(self, value: str | None) -> ApiKey | Refused:
        """The key that has this value, counted as used once; or why its holder may not call."""
        with self._lock:
            key = next((one for one in self._keys.values() if one.enabled and one.value == value), None)
            plans = [plan for plan in self._plans.values() if key is not None and key.id in plan.key_ids]
            if key is None or not plans:  # a key without a plan opens nothing
                return Refused.NO_KEY
            for plan in plans:
                if refused := self._count(plan, self._meter(plan, key)):
                    return refused
            return key

    def _meter(self, plan: UsagePlan, key: ApiKey) -> _Meter:
        return self._meters.setdefault((plan.id, key.id), _Meter(plan.burst or 0.0, self._now()))

    def _count(self, plan: UsagePlan, meter: _Meter) -> Refused | None:
        now = self._now()
        if plan.rate_per_s is not None:
            burst = plan.burst or plan.rate_per_s
            meter.tokens = min(burst, meter.tokens + (now - meter.filled_at) * plan.rate_per_s)
            meter.filled_at = now
            if meter.tokens < 1:
                return Refused.TOO_FAST
        period = _period(plan.quota_period, now)
        if meter.period != period:
            meter.period, meter.used = period, 0
        if plan.quota is not None and meter.used >= plan.quota:
            return Refused.TOO_OFTEN
        meter.tokens -= 1
        meter.used += 1
        return None


def _period(name: str, now: float) -> str:
    return time.strftime({"DAY": "%Y-%j", "WEEK": "%Y-%U", "MONTH": "%Y-%m"}[name], time.gmtime(now))
