CREATE VIEW funnel.vw_sale_credit AS
SELECT month, model, funnel, source, medium, campaign, sales, gross_revenue_inr, net_revenue_inr, currency
FROM funnel._credit_month;

COMMENT ON VIEW funnel.vw_sale_credit IS
    'Who earned the sales, by five attribution models side by side: one row per month of the sale, model, funnel, source, medium and campaign of the touch. Look at one model at a time: each adds up to all paid sales, to the paisa. Single sales are in sale_credit.';
COMMENT ON COLUMN funnel.vw_sale_credit.month IS 'First day of the calendar month in which the sale was created';
COMMENT ON COLUMN funnel.vw_sale_credit.model IS
    'first_touch (the rule everywhere else), last_touch, linear (equal parts), position_based (40 % first, 40 % last, 20 % between) or time_decay (half as much for every 7 days earlier)';
COMMENT ON COLUMN funnel.vw_sale_credit.funnel IS 'Funnel of the touch''s source on the touch''s day';
COMMENT ON COLUMN funnel.vw_sale_credit.source IS
    'Source of the touch, lower case; Unknown when the touch had none, and for sales without a touch in the 90 days before';
COMMENT ON COLUMN funnel.vw_sale_credit.medium IS 'Medium of the touch, lower case; as source';
COMMENT ON COLUMN funnel.vw_sale_credit.campaign IS 'Campaign of the touch, lower case; as source';
COMMENT ON COLUMN funnel.vw_sale_credit.sales IS 'Sales credited; a sale of several touches is divided, so this is no whole number';
COMMENT ON COLUMN funnel.vw_sale_credit.gross_revenue_inr IS 'Credited part of the sales'' price, INR';
COMMENT ON COLUMN funnel.vw_sale_credit.net_revenue_inr IS 'Credited part of the sales'' net amount, INR';
COMMENT ON COLUMN funnel.vw_sale_credit.currency IS 'Currency of both amounts';
