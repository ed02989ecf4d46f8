"""Which signals of a lead each intake service contributes; a signal belongs to one service."""

LEAD_SIGNALS: dict[str, frozenset[str]] = {
    "sponsor_activity": frozenset(
        {
            "website_visited",
            "package_viewed",
            "proposal_viewed",
            "deck_downloaded",
            "enquiry_submitted",
            "meeting_booked",
            "meeting_held",
            "meeting_missed",
            "intent_letter_received",
            "proposal_declined",
        }
    ),
    "email_engagement": frozenset(
        {
            "email_opened",
            "email_clicked",
            "email_replied",
            "email_hard_bounced",
            "email_unsubscribed",
            "email_complained",
        }
    ),
    "ticket_sales": frozenset({"ticket_order"}),
}
