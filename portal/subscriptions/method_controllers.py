"""The public page on which a customer changes how a subscription is paid. Its token opens nothing else."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from litestar import Response, get, post
from litestar.params import FromPath

from portal.contract.errors import ProviderError
from portal.contract.payables import PayPage
from portal.errors import Conflict, PortalError
from portal.finance.services import organisation
from portal.invoices.links import CUSTOMER, usable_pay_link
from portal.invoices.pay_controllers import PAY, PROVIDER_SECONDS, with_addresses, words_for_customers
from portal.invoices.pay_limits import LOOKS, PORTALS, STARTS, TOO_OFTEN, may, too_often
from portal.invoices.pay_views import Collector, collector_for, merchant_context
from portal.queue.connections import DATABASE_FAILED
from portal.security.headers import pay_csp
from portal.security.tokens import Purpose
from portal.settings import current_settings
from portal.subscriptions.method_links import note_opened
from portal.subscriptions.method_pages import (
    MethodState,
    PayerView,
    has_just_agreed,
    page_context,
    payer_by_token,
    state_of,
)
from portal.web.forms import read_form
from portal.web.request import PortalRequest
from portal.web.responses import csrf_token, page, redirect, shell

MOST_LOOKS = 2
"""At the provider at once, in this process."""
NO_PORTAL = "The provider's own pages cannot be opened right now. Nothing was changed."
logger = logging.getLogger("portal.pay")
_looks = asyncio.Semaphore(MOST_LOOKS)


@get("/method/{token:str}", opt=PAY, name="method.page")
async def show_page(token: FromPath[str], request: PortalRequest) -> Response[str]:
    """The subscription and the form; a wrong link tells nothing about any subscription."""
    payer = await payer_by_token(token)
    if payer is None or payer.expired:
        return await _wrong_link(request)
    await note_opened(payer.id)
    return await _answer(request, payer, token)


@get("/method/{token:str}/return", opt=PAY, name="method.return")
async def show_return(token: FromPath[str], request: PortalRequest) -> Response[str]:
    """Where a bank sends the customer back to. Its query is not believed: we look ourselves."""
    payer = await payer_by_token(token)
    if payer is None or payer.expired:
        return await _wrong_link(request)
    await _look(payer, token)
    now = await payer_by_token(token) or payer
    return await _answer(request, now, token, returned=True)


@post("/method/{token:str}/start", opt=PAY, status_code=200, name="method.start")
async def start(token: FromPath[str]) -> Response[dict[str, Any]]:
    """What the browser needs to take another method."""
    payer = await payer_by_token(token)
    if payer is None or payer.expired:
        return Response({"state": MethodState.EXPIRED.value}, status_code=404)
    collector = await collector_for(payer.account_id)
    state = state_of(payer, _form_of(collector))
    if state is not MethodState.READY or collector is None:
        return Response({"state": state.value}, status_code=409)
    if not may(STARTS, token, Purpose.METHOD_LINK):
        return too_often()
    return await _start(payer, collector, token)


@post("/method/{token:str}/refresh", opt=PAY, status_code=200, name="method.refresh")
async def refresh(token: FromPath[str]) -> Response[dict[str, Any]]:
    """Look at the provider now. `agreed` is another one than `start` told once it knows of a new word."""
    payer = await payer_by_token(token)
    if payer is None or payer.expired:
        return Response({"state": MethodState.EXPIRED.value}, status_code=404)
    await _look(payer, token)
    now = await payer_by_token(token) or payer
    said = now.agreed or now.method
    return Response({"agreed": now.mark, "method": said.full if said else ""})


@post("/method/{token:str}/portal", opt=PAY, status_code=200, name="method.portal")
async def open_portal(token: FromPath[str], request: PortalRequest) -> Response[Any]:
    """Send the customer to the provider's own pages, where an admin offers that."""
    await read_form(request)
    payer = await payer_by_token(token)
    if payer is None or payer.expired:
        return await _wrong_link(request)
    collector = await collector_for(payer.account_id)
    if collector is None or payer.standing.ended or not collector.plugin.portal_offered(collector.account):
        return await _answer(request, payer, token)
    if not may(PORTALS, token, Purpose.METHOD_LINK):
        return await _answer(request, payer, token, trouble=TOO_OFTEN)
    try:
        where = await _portal_of(payer, collector, token)
    except (PortalError, TimeoutError) as error:
        logger.info("no customer portal for subscription %s: %s", payer.id, type(error).__name__)
        return await _answer(request, payer, token, trouble=NO_PORTAL)
    return await _way_to_portal(request, payer, where)


@post("/method/{token:str}/pay", opt=PAY, name="method.pay")
async def pay_owed(token: FromPath[str], request: PortalRequest) -> Response[Any]:
    """Lead to the pay link of what the link's own subscription owes. The request names no invoice."""
    await read_form(request)
    payer = await payer_by_token(token)
    if payer is None or payer.expired:
        return await _wrong_link(request)
    link = None
    if payer.owed is not None:
        with suppress(Conflict):  # it was paid or given up at this moment
            link = await usable_pay_link(payer.owed.id, actor=CUSTOMER)
    return redirect(request, urlsplit(link).path if link else f"/method/{token}")


async def _way_to_portal(request: PortalRequest, payer: PayerView, where: str) -> Response[str]:
    """A page that leads on by itself: its policy lets no form end up at another site, also by a redirect."""
    context = {**merchant_context(await organisation(), payer.mode), "where": where}
    answer = _html(request, "pay/method_portal.html", form=None, state=MethodState.READY, context=context)
    answer.headers["Refresh"] = f"0; url={where}"
    return answer


async def _portal_of(payer: PayerView, collector: Collector, token: str) -> str:
    settings = current_settings()
    async with asyncio.timeout(PROVIDER_SECONDS):
        where = await collector.plugin.customer_portal(
            collector.account,
            payer.customer_external_id,
            f"{settings.base_url}/method/{token}",
            settings,
        )
    form = _form_of(collector)
    if form is None or not _is_hosted(where, form):
        raise ProviderError("The provider named a page that is not its own.")
    return where


def _is_hosted(where: str, form: PayPage) -> bool:
    """Nobody is sent anywhere but to the hosts that the form names: `https` ones, or a whole local origin."""
    parts = urlsplit(where)
    if parts.username or parts.password:
        return False
    return f"{parts.scheme}://{parts.netloc}" in {
        host if "://" in host else f"https://{host}" for host in form.hosted_on
    }


async def _start(payer: PayerView, collector: Collector, token: str) -> Response[dict[str, Any]]:
    settings = current_settings()
    try:
        async with asyncio.timeout(PROVIDER_SECONDS):
            begun = await collector.plugin.start_method(collector.account, payer.external_id, settings)
    except Conflict:
        return Response({"state": MethodState.ENDED.value}, status_code=409)
    except (ProviderError, TimeoutError) as error:
        return Response({"message": words_for_customers(error)}, status_code=503)
    return_url = f"{settings.base_url}/method/{token}/return"
    return Response({**begun.data, "return_url": return_url, "agreed": payer.mark})


async def _look(payer: PayerView, token: str) -> None:
    """Bring our row up to date when the provider answers; else what we know stands until its event.

    Few look side by side, as on the pay page: other pages must go on when a provider hangs.
    """
    collector = await collector_for(payer.account_id)
    if collector is None or _looks.locked() or not may(LOOKS, token, Purpose.METHOD_LINK):
        return
    try:
        async with _looks, asyncio.timeout(PROVIDER_SECONDS):
            await collector.plugin.refresh_method(collector.account, payer.external_id)
    except (PortalError, *DATABASE_FAILED) as error:
        logger.info("subscription %s was not read at the provider: %s", payer.id, type(error).__name__)


def _form_of(collector: Collector | None) -> PayPage | None:
    if collector is None:
        return None
    return collector.plugin.method_page(collector.account, current_settings())


async def _answer(
    request: PortalRequest, payer: PayerView, token: str, *, returned: bool = False, trouble: str = ""
) -> Response[str]:
    collector = await collector_for(payer.account_id)
    form = with_addresses(_form_of(collector), request)
    state = state_of(payer, form)
    if state is MethodState.READY and returned and has_just_agreed(payer):
        state = MethodState.SAVED
    shown = form if state in (MethodState.READY, MethodState.SAVED) else None
    context = await page_context(payer, state, shown, token)
    if state is MethodState.READY and collector and collector.plugin.portal_offered(collector.account):
        context["portal_url"] = f"/method/{token}/portal"
    context |= {"returned": returned, "trouble": trouble}
    return _html(request, "pay/method.html", form=shown, state=state, context=context)


async def _wrong_link(request: PortalRequest) -> Response[str]:
    """The answer to a link that opens nothing: the same for every wrong, replaced or expired one."""
    context = merchant_context(await organisation())
    return _html(request, "pay/method_expired.html", form=None, state=MethodState.EXPIRED, context=context)


def _html(
    request: PortalRequest,
    template: str,
    *,
    form: PayPage | None,
    state: MethodState,
    context: dict[str, Any],
) -> Response[str]:
    answer = page(
        request,
        template,
        status=404 if state is MethodState.EXPIRED else 200,
        theme=shell(request).theme,
        csrf_token=csrf_token(request),
        **context,
    )
    answer.headers["Content-Security-Policy"] = pay_csp(form.csp if form else {})
    answer.headers["X-Pay-State"] = state.value
    return answer


public_routes = [show_page, show_return, start, refresh, open_portal, pay_owed]
