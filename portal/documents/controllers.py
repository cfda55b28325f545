"""Where invoices and receipts are downloaded: by people of the portal, and by whoever has the pay link."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from portal.documents.services import Document, invoice_pdf, receipt_pdf
from portal.invoices.pay_controllers import wrong_link
from portal.invoices.pay_views import PayState, collector_of, state_of
from portal.invoices.payable import invoice_by_pay_token
from portal.web.request import PortalRequest

PAY: Final = {"access": "pay"}
PDF: Final = "application/pdf"
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""A file runs nothing and loads nothing; browsers that show PDF style their own frame around it."""
HIDDEN: Final = (PayState.EXPIRED, PayState.DRAFT)
"""States in which the pay link opens no document."""


@get("/invoices/{invoice_id:int}/invoice.pdf", name="invoice.pdf")
async def show_invoice_pdf(invoice_id: FromPath[int]) -> Response[bytes]:
    """The invoice, for people of the portal; a draft says so across its pages."""
    return _file(await invoice_pdf(invoice_id))


@get("/invoices/{invoice_id:int}/receipt.pdf", name="invoice.receipt")
async def show_receipt_pdf(invoice_id: FromPath[int]) -> Response[bytes]:
    """The receipt, for people of the portal."""
    return _file(await receipt_pdf(invoice_id))


@get("/pay/{token:str}/invoice.pdf", opt=PAY, name="pay.pdf")
async def show_customers_invoice(token: FromPath[str], request: PortalRequest) -> Response[Any]:
    """The invoice that the pay link opens, and no other."""
    return await _for_customer(token, request, invoice_pdf)


@get("/pay/{token:str}/receipt.pdf", opt=PAY, name="pay.receipt")
async def show_customers_receipt(token: FromPath[str], request: PortalRequest) -> Response[Any]:
    """The receipt of the invoice that the pay link opens."""
    return await _for_customer(token, request, receipt_pdf)


async def _for_customer(
    token: str, request: PortalRequest, make: Callable[[int], Awaitable[Document]]
) -> Response[Any]:
    link = await invoice_by_pay_token(token)
    if link is None or state_of(link, await collector_of(link)) in HIDDEN:
        return await wrong_link(request)
    return _file(await make(link.invoice.id))


def _file(document: Document) -> Response[bytes]:
    return Response(
        document.body,
        media_type=PDF,
        headers={
            "Content-Disposition": f'inline; filename="{document.name}"',
            "Content-Security-Policy": POLICY,
        },
    )


routes = [show_invoice_pdf, show_receipt_pdf]
public_routes = [show_customers_invoice, show_customers_receipt]
