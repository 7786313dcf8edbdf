package sqlitedb

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
)

// driverValue turns an argument into one of the types that drivers take. What is
// used for every lease is told apart by its type, the rest as database/sql does.
func driverValue(arg any) (driver.Value, error) {
	switch v := arg.(type) {
	case nil, int64, string, []byte, bool, float64:
		return v, nil
	case int:
		return int64(v), nil
	}
	if v := reflect.ValueOf(arg); v.Kind() == reflect.String {
		return v.String(), nil
	}
	return driver.DefaultParameterConverter.ConvertValue(arg)
}

// assign stores a column in a variable: numbers in numbers, text in text. NULL
// is the zero value.
func assign(target any, value driver.Value) error {
	switch t := target.(type) {
	case *int64:
		n, ok := value.(int64)
		*t = n
		return mismatch(ok || value == nil, target, value)
	case *int:
		n, ok := value.(int64)
		*t = int(n)
		return mismatch(ok || value == nil, target, value)
	case *string:
		text, ok := textOf(value)
		*t = text
		return mismatch(ok, target, value)
	case *[]byte:
		text, ok := textOf(value)
		*t = []byte(text)
		return mismatch(ok, target, value)
	case *bool:
		switch v := value.(type) {
		case int64:
			*t = v != 0
		case bool: // a driver that goes by the column's declared type
			*t = v
		default:
			return mismatch(false, target, value)
		}
		return nil
	case *sql.NullString:
		text, ok := textOf(value)
		*t = sql.NullString{String: text, Valid: value != nil}
		return mismatch(ok, target, value)
	case sql.Scanner:
		return t.Scan(value)
	}
	return assignByKind(reflect.ValueOf(target), value)
}

// assignByKind is assign for a pointer to a type of the store's own.
func assignByKind(target reflect.Value, value driver.Value) error {
	if target.Kind() != reflect.Pointer {
		return mismatch(false, target.Interface(), value)
	}
	v := target.Elem()
	switch {
	case v.Kind() == reflect.String:
		text, ok := textOf(value)
		v.SetString(text)
		if ok {
			return nil
		}
	case v.CanInt():
		n, ok := value.(int64)
		v.SetInt(n)
		if ok || value == nil {
			return nil
		}
	case v.CanUint():
		n, ok := value.(int64)
		v.SetUint(uint64(n))
		if ok || value == nil {
			return nil
		}
	}
	return mismatch(false, target.Interface(), value)
}

// textOf returns a column's text, as a string of its own.
func textOf(value driver.Value) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}

func mismatch(ok bool, target any, value driver.Value) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%T does not fit in %T", value, target)
}
