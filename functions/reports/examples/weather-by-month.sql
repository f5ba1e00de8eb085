-- The weather of a year, month by month. A day is a text to SQLite and a date to PostgreSQL; as texts they are the same.
SELECT
    substr(CAST(date AS text), 1, 7) AS month,
    min(temp_min) AS coldest,
    avg(temp_max) AS usual_high,
    max(temp_max) AS warmest,
    sum(precipitation) AS rain,
    sum(CASE WHEN weather = 'sun' THEN 1 ELSE 0 END) AS sunny_days
FROM weather
WHERE substr(CAST(date AS text), 1, 4) = :year
GROUP BY substr(CAST(date AS text), 1, 7)
ORDER BY month
