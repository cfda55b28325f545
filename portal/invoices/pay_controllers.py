"""The public pay page. The token in the address opens this one invoice and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.enums import MediaType
from litestar.params import FromPath
from litestar.response import ServerSentEvent, ServerSentEventMessage

from portal.accounts.services import AccountDisconnected
from portal.contract.errors import AccountNotReady, ProviderError, ProviderUnavailable
from portal.contract.payables import PayPage
from portal.errors import Conflict, PortalError
from portal.finance.services import organisation
from portal.invoices.links import BY_MERCHANT, note_opened
from portal.invoices.pay_limits import LOOKS, STARTS, may, too_often
from portal.invoices.pay_views import (
    Collector,
    PayState,
    collector_of,
    merchant_context,
    page_context,
    pay_page_of,
    state_of,
)
from portal.invoices.payable import PayLink, invoice_by_pay_token
from portal.mail.servers import mail_ready
from portal.queue.connections import DATABASE_FAILED
from portal.security.headers import pay_csp
from portal.security.tokens import Purpose
from portal.settings import current_settings
from portal.web.live import LiveHub
from portal.web.request import PortalRequest
from portal.web.responses import csrf_token, page, shell

PAY = {"access": "pay"}
PROVIDER_SECONDS = 15.0
"""How long a customer waits for the provider. The page's own script gives up a little later."""
MOST_LOOKS = 4
"""At the provider at once, in this process."""
FORM_STATES = frozenset({PayState.READY, PayState.PARTLY_PAID, PayState.PROCESSING})
"""States in which the page needs the plugin's script: to pay, or to notice that the payment cleared."""
logger = logging.getLogger("portal.pay")
_looks = asyncio.Semaphore(MOST_LOOKS)


@get("/pay/{token:str}", opt=PAY, name="pay.page")
async def show_page(token: FromPath[str], request: PortalRequest) -> Response[str]:
    """The invoice and the form to pay it; a wrong link tells nothing about any invoice."""
    link = await invoice_by_pay_token(token)
    if link is None:
        return await wrong_link(request)
    if BY_MERCHANT not in request.query_params:
        await note_opened(link.invoice.id)
    return await _answer(request, link, token, "pay/page.html")


@get("/pay/{token:str}/return", opt=PAY, name="pay.return")
async def show_return(token: FromPath[str], request: PortalRequest) -> Response[str]:
    """Where a bank sends the customer back to. Its query is not believed: we look ourselves."""
    link = await invoice_by_pay_token(token)
    if link is None:
        return await wrong_link(request)
    await _refresh(link, token)
    now = await invoice_by_pay_token(token) or link
    return await _answer(request, now, token, "pay/page.html", returned=True)


@get("/pay/{token:str}/card", opt=PAY, name="pay.card")
async def show_card(token: FromPath[str], request: PortalRequest) -> Response[str]:
    """The payment card alone, as it stands now."""
    link = await invoice_by_pay_token(token)
    if link is None:
        return await wrong_link(request)
    return await _answer(request, link, token, "pay/_card.html")


@post("/pay/{token:str}/start", opt=PAY, status_code=200, name="pay.start")
async def start(token: FromPath[str]) -> Response[dict[str, Any]]:
    """What the browser needs to pay. Amount and currency come from our row alone."""
    link = await invoice_by_pay_token(token)
    if link is None:
        return Response({"state": PayState.EXPIRED.value}, status_code=404)
    collector = await collector_of(link)
    state = state_of(link, collector)
    if state not in (PayState.READY, PayState.PARTLY_PAID) or collector is None:
        return Response({"state": state.value}, status_code=409)
    if not may(STARTS, token, Purpose.PAY_LINK):
        return too_often()
    return await _start(link, collector, token)


@post("/pay/{token:str}/refresh", opt=PAY, status_code=200, name="pay.refresh")
async def refresh(token: FromPath[str]) -> Response[dict[str, Any]]:
    """Look at the provider now, so that the page need not wait for a webhook."""
    link = await invoice_by_pay_token(token)
    if link is None:
        return Response({"state": PayState.EXPIRED.value}, status_code=404)
    await _refresh(link, token)
    link = await invoice_by_pay_token(token) or link
    return Response({"state": state_of(link, await collector_of(link)).value})


@get("/pay/{token:str}/live", opt=PAY, name="pay.live")
async def live(token: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """Tells the open page that the invoice changed."""
    link = await invoice_by_pay_token(token)
    if link is None:
        return Response("", status_code=404, media_type=MediaType.TEXT)
    hub: LiveHub = request.app.state.live

    async def changes() -> AsyncIterator[ServerSentEventMessage]:
        async for changed in hub.changes(f"invoice:{link.invoice.id}"):
            if not changed:
                yield ServerSentEventMessage(comment="still here")
                continue
            now = await invoice_by_pay_token(token)
            if now is not None:
                yield ServerSentEventMessage(
                    event="changed", data=state_of(now, await collector_of(now)).value
                )

    return ServerSentEvent(changes())


async def _start(link: PayLink, collector: Collector, token: str) -> Response[dict[str, Any]]:
    settings = current_settings()
    try:
        async with asyncio.timeout(PROVIDER_SECONDS):
            begun = await collector.plugin.start_payment(collector.account, link.invoice, settings)
    except Conflict as stop:
        now = await invoice_by_pay_token(token) or link
        return Response(
            {"state": state_of(now, collector).value, "message": words_for_customers(stop)}, status_code=409
        )
    except (ProviderError, TimeoutError) as error:
        return Response({"message": words_for_customers(error)}, status_code=503)
    due = link.invoice.amount_due
    return Response(
        {
            **begun.data,
            "amount_minor": due.amount_minor,
            "currency": due.currency,
            "amount_text": due.format(),
            "return_url": f"{settings.base_url}/pay/{token}/return",
        }
    )


def words_for_customers(error: Exception) -> str:
    """What to do, when it can help whoever pays. What a key lacks is for the merchant's eyes alone."""
    merchants = isinstance(error, AccountNotReady | AccountDisconnected)
    if isinstance(error, ProviderUnavailable | Conflict) and not merchants:
        return error.hint
    return ""


async def _refresh(link: PayLink, token: str) -> None:
    """Bring our row up to date when the provider answers; else what we know stands until its webhook.

    A look holds a connection of the pool while the provider thinks, so few are taken side by side: intake and
    the other pages must go on when a provider hangs.
    """
    collector = await collector_of(link)
    if collector is None or _looks.locked() or not may(LOOKS, token, Purpose.PAY_LINK):
        return
    try:
        async with _looks, asyncio.timeout(PROVIDER_SECONDS):
            await collector.plugin.refresh_payment(collector.account, link.invoice.id)
    except (PortalError, *DATABASE_FAILED) as error:
        logger.info("invoice %s was not read at the provider: %s", link.invoice.id, type(error).__name__)


async def _answer(
    request: PortalRequest, link: PayLink, token: str, template: str, *, returned: bool = False
) -> Response[str]:
    collector = await collector_of(link)
    state = state_of(link, collector)
    if state is PayState.EXPIRED:
        return await wrong_link(request)
    # Whoever comes back from a bank's page keeps the script: it tidies the address.
    scripted = returned or state in FORM_STATES
    form = with_addresses(pay_page_of(collector), request) if scripted else None
    context = await page_context(link, state, form, token)
    if returned:
        context["returned"] = True
    return _html(request, template, csp=form.csp if form else {}, state=state, context=context)


async def wrong_link(request: PortalRequest) -> Response[str]:
    """The answer to a link that opens nothing: the same for every wrong, used up or expired one."""
    token = quote(request.path_params["token"], safe="")
    renew_url = f"/pay/{token}/new-link" if mail_ready(current_settings()) else None
    context = {**merchant_context(await organisation()), "renew_url": renew_url}
    return _html(request, "pay/expired.html", csp={}, state=PayState.EXPIRED, context=context)


async def new_link_asked(request: PortalRequest) -> Response[str]:
    """The answer to everybody who asked for a new link, whatever became of it."""
    context = {**merchant_context(await organisation()), "renew_url": None, "asked": True}
    answer = _html(request, "pay/expired.html", csp={}, state=PayState.EXPIRED, context=context)
    answer.status_code = 200
    return answer


def _html(
    request: PortalRequest,
    template: str,
    *,
    csp: Any,
    state: PayState,
    context: dict[str, Any],
) -> Response[str]:
    answer = page(
        request,
        template,
        status=404 if state is PayState.EXPIRED else 200,
        theme=shell(request).theme,
        csrf_token=csrf_token(request),
        **context,
    )
    answer.headers["Content-Security-Policy"] = pay_csp(csp)
    answer.headers["X-Pay-State"] = state.value
    return answer


def with_addresses(form: PayPage | None, request: PortalRequest) -> PayPage | None:
    """The form with every own script's name replaced by its address."""
    if form is None:
        return None
    assets = request.app.state.assets
    scripts = tuple(name if "//" in name else assets.url(name) for name in form.scripts)
    return replace(form, scripts=scripts)


public_routes = [show_page, show_return, show_card, start, refresh, live]
