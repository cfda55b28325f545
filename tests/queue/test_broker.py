"""Which broker the settings give, and that none of them speaks pickle."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.encoder import JSONEncoder, PickleEncoder

from portal.errors import ConfigurationError
from portal.queue.broker import build_broker, current_broker
from portal.queue.postgres import PostgresBroker
from portal.settings import Settings


@pytest.fixture
def no_global_broker() -> Iterator[None]:
    before, dramatiq.broker.global_broker = dramatiq.broker.global_broker, None
    yield
    dramatiq.broker.global_broker = before


def test_no_url_means_the_queue_in_postgresql(settings: Settings) -> None:
    assert isinstance(build_broker(dataclasses.replace(settings, broker_url=None)), PostgresBroker)


def test_rabbitmq_confirms_what_it_takes_and_gives_up_on_a_silent_server(settings: Settings) -> None:
    broker = build_broker(dataclasses.replace(settings, broker_url="amqp://127.0.0.1:1/%2f?heartbeat=7"))
    assert isinstance(broker, RabbitmqBroker)
    assert broker.confirm_delivery
    parameters: Any = broker.parameters
    assert (parameters.heartbeat, parameters.socket_timeout) == (7, 2)


def test_redis_looks_for_dead_workers_at_every_command(settings: Settings) -> None:
    broker = build_broker(dataclasses.replace(settings, broker_url="redis://127.0.0.1:1/3"))
    assert isinstance(broker, RedisBroker)
    assert (broker.maintenance_chance, broker.heartbeat_timeout) == (1_000_000, 15_000)
    assert broker.client.connection_pool.connection_kwargs["socket_timeout"] == 2


def test_another_scheme_is_refused_without_repeating_the_url(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="sqs://") as refused:
        build_broker(dataclasses.replace(settings, broker_url="sqs://user:planted@host"))
    assert "planted" not in refused.value.message + refused.value.hint


def test_an_encoder_other_than_json_is_refused(settings: Settings) -> None:
    dramatiq.set_encoder(PickleEncoder())
    try:
        with pytest.raises(ConfigurationError, match="JSON"):
            build_broker(settings)
    finally:
        dramatiq.set_encoder(JSONEncoder())


def test_the_current_broker_is_made_once_and_is_dramatiqs_own(no_global_broker: None) -> None:
    broker = current_broker()
    assert isinstance(broker, PostgresBroker)
    assert current_broker() is broker is dramatiq.get_broker()
